/** Whether the kernel lays layers over each other for this user. */
import { CLONE_NEWNS, CLONE_NEWUSER } from "../../ffi/constants.ts";
import { pathExists } from "../../ffi/files.ts";
import { addMapping, addPrivateMounts, failed, type Trial, tryInChild } from "../plan/trial.ts";
import { isRootless } from "../state/user_namespace.ts";

/**
 * Whether overlay can have its writable layer in a folder.
 * @param folder in which a folder is made, and removed again
 * @param inUserNamespace as an ordinary user does it, with attributes `user.overlay.*`; in a new one, unless this is one
 */
export async function tryOverlay(folder: string, inUserNamespace: boolean): Promise<Trial> {
  const isNew = inUserNamespace && !isRootless();
  let place: string;
  try {
    place = Deno.makeTempDirSync({ dir: folder, prefix: ".dhow-doctor-" });
  } catch (error) {
    return failed(error);
  }
  try {
    for (const name of ["lower", "upper", "work", "merged"]) Deno.mkdirSync(`${place}/${name}`);
    return await tryInChild(CLONE_NEWNS | (isNew ? CLONE_NEWUSER : 0), (table) => {
      if (isNew) addMapping(table, Deno.uid() ?? 0, Deno.gid() ?? 0);
      addPrivateMounts(table);
      // by its working directory: commas and colons in the path would end the option
      table.call("chdir", [place]);
      const options = `lowerdir=lower,upperdir=upper,workdir=work${inUserNamespace ? ",userxattr" : ""}`;
      table.call("mount", ["overlay", "merged", "overlay", 0, options]);
    });
  } finally {
    // overlay makes a folder there that nobody may read
    if (pathExists(`${place}/work/work`)) Deno.chmodSync(`${place}/work/work`, 0o700);
    Deno.removeSync(place, { recursive: true });
  }
}
