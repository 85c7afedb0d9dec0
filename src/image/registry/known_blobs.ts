import type { Database } from "../../state/database.ts";

/** A layer as some repository holds it, compressed with gzip. */
export interface KnownBlob {
  /** With the registry: `localhost:5000/team/app`, `docker.io/library/busybox`. */
  readonly repository: string;
  readonly digest: string;
  /** In bytes. */
  readonly size: number;
}

/** What was seen of layers in registries, so that a push need not compress and send them again. It may be out of date. */
export class KnownBlobs {
  constructor(readonly database: Database) {}

  /** Where a layer was seen. */
  of(diffId: string): KnownBlob[] {
    return this.database.all<{ repository: string; digest: string; size: number }>(
      "SELECT repository, digest, size FROM blobs WHERE diff_id = ? ORDER BY repository",
      diffId,
    ).map(({ repository, digest, size }) => ({ repository, digest, size }));
  }

  /** In place of what was seen in that repository before. */
  remember(diffId: string, { repository, digest, size }: KnownBlob): void {
    this.database.run(
      "INSERT OR REPLACE INTO blobs (diff_id, repository, digest, size) VALUES (?, ?, ?, ?)",
      diffId,
      repository,
      digest,
      size,
    );
  }
}
