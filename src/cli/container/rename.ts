import { checkName } from "../../container/names.ts";
import { findContainer } from "../../container/records.ts";
import { TakenError, UsageError } from "../../errors.ts";
import type { Command } from "../command.ts";
import { openSession } from "../session.ts";

export const command: Command = {
  usage: "CONTAINER NAME",
  summary: "Give a container another name.",
  options: [],
  async run({ args, global }) {
    const [wanted, name] = args;
    if (wanted === undefined || name === undefined || args.length > 2) {
      throw new UsageError({ what: "cannot rename", why: "CONTAINER and NAME are needed" });
    }
    checkName(name);
    const { database } = await openSession(global, "rename containers");
    database.transaction(() => {
      const { id } = findContainer(database, wanted);
      const other = database.get<{ id: string }>("SELECT id FROM containers WHERE name = ?", name);
      if (other !== undefined && other.id !== id) {
        throw new TakenError({
          what: `Conflict. The container name "/${name}" is already in use by container "${other.id}"`,
          why: "You have to remove (or rename) that container to be able to reuse that name",
        });
      }
      database.run("UPDATE containers SET name = ? WHERE id = ?", name, id);
    });
    return 0;
  },
};
