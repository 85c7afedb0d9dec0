import type { ContainerRecord } from "../../container/records.ts";
import { writtenSize } from "../../container/size.ts";
import { log } from "../../log.ts";
import { containerState } from "../../state/paths.ts";
import type { Session } from "../session.ts";
import { storeOf } from "../store_of.ts";

export interface ContainerSize {
  /** What the container has written, in bytes. */
  readonly own: number;
  /** That with its image. */
  readonly all: number;
}

/** Measures containers of a session. Of an archive that is used where it lies, the archive's size counts. */
export function sizesIn(session: Session): (container: ContainerRecord) => ContainerSize {
  const { paths } = session;
  const store = storeOf(session);
  return ({ id, image, config }) => {
    const own = writtenSize(`${containerState(paths, id)}/diff`, (text) => log.warn(text));
    return { own, all: own + (store.find(image)?.size ?? fileSize(config.source)) };
  };
}

function fileSize(path: string): number {
  try {
    return Deno.statSync(path).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0; // it may have been deleted since
    throw error;
  }
}
