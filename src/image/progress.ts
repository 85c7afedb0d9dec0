/** What loads, pulls, pushes and saves tell of how far they are. */

/** The work on one layer. */
export interface LayerProgress {
  /** More bytes of it are done. */
  advance(bytes: number): void;
  /** It is done. @param how in docker's words: `Pull complete`, `Layer already exists` */
  done(how: string): void;
}

export interface Progress {
  /**
   * Work on a layer begins.
   * @param id its digest or diff id, `sha256:...`
   * @param action in docker's words: `Downloading`, `Loading layer`, `Pushing`
   * @param total bytes; undefined when nobody knows
   */
  layer(id: string, action: string, total: number | undefined): LayerProgress;
}

/** Tells nobody: `--quiet`. */
export const QUIET: Progress = { layer: () => ({ advance() {}, done() {} }) };
