import { parseName } from "../../container/names.ts";
import { markRenamed, publishRenamed } from "../../container/naming.ts";
import { findContainer } from "../../container/records.ts";
import { TakenError, UsageError } from "../../errors.ts";
import { stepDone } from "../../plan/fault.ts";
import type { Command } from "../command.ts";
import { openSession } from "../session.ts";

export const command: Command = {
  usage: "CONTAINER NAME",
  summary: "Give a container another name.",
  options: [],
  async run({ args, global }) {
    const [wanted, given] = args;
    if (wanted === undefined || given === undefined || args.length > 2) {
      throw new UsageError({
        what: "cannot rename",
        why: "CONTAINER and NAME are needed",
        hint: "see: dhow rename --help",
      });
    }
    const name = parseName(given);
    const { database, paths } = await openSession(global, "rename containers");
    database.transaction(() => {
      const { id } = findContainer(database, wanted);
      const other = database.get<{ id: string }>("SELECT id FROM containers WHERE name = ?", name);
      if (other?.id === id) {
        throw new UsageError({ what: `cannot rename ${wanted}`, why: "that is its name already" });
      }
      if (other !== undefined) {
        throw new TakenError({
          what: `Conflict. The container name "/${name}" is already in use by container "${other.id}"`,
          why: "You have to remove (or rename) that container to be able to reuse that name",
        });
      }
      database.run("UPDATE containers SET name = ? WHERE id = ?", name, id);
      markRenamed(database, id);
    });
    stepDone();
    await publishRenamed(database, paths);
    stepDone();
    return 0;
  },
};
