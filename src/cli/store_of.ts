import { ImageStore } from "../image/store/store.ts";
import type { Session } from "./session.ts";

/** The images of a session: apart from it, because most commands on containers need none. */
export function storeOf({ paths, database, storage }: Session): ImageStore {
  const describe: ConstructorParameters<typeof ImageStore>[2]["describe"] = async (files) =>
    await (await import("../container/image.ts")).readEtc(files);
  return new ImageStore(paths, database, { storage, describe });
}
