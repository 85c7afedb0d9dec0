import { DhowError } from "../../errors.ts";

/** The file that --cidfile names: it gets the container's id, and goes if there comes to be no container. */
export class CidFile {
  private constructor(readonly path: string) {}

  /** @throws {DhowError} when there is such a file, or it cannot be made */
  static make(path: string): CidFile {
    try {
      Deno.openSync(path, { write: true, createNew: true }).close();
    } catch (error) {
      if (error instanceof Deno.errors.AlreadyExists) {
        throw new DhowError({
          what: "Container ID file found",
          why: path,
          hint: "make sure the other container isn't running, or delete it",
        });
      }
      const why = error instanceof Error ? error.message : String(error);
      throw new DhowError({
        what: `cannot write the container's id to ${JSON.stringify(path)}`,
        why,
        cause: error,
      });
    }
    return new CidFile(path);
  }

  write(id: string): void {
    Deno.writeTextFileSync(this.path, id);
  }

  remove(): void {
    try {
      Deno.removeSync(this.path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

/**
 * Does something with the file that was asked for, if any was.
 * @param work is given what is to be told the container's id; when it fails, the file goes
 */
export async function withCidFile<T>(
  path: string | undefined,
  work: (announce: (id: string) => void) => Promise<T> | T,
): Promise<T> {
  if (path === undefined) return await work(() => {});
  const file = CidFile.make(path);
  try {
    return await work((id) => file.write(id));
  } catch (error) {
    file.remove();
    throw error;
  }
}
