import { assert, assertEquals } from "@std/assert";
import {
  containerRun,
  containerState,
  databasePath,
  layersFolder,
  pathsUnder,
} from "../../../src/state/paths.ts";

Deno.test("--root moves everything that dhow keeps below one folder", () => {
  const paths = pathsUnder("/some/where");
  const all = [
    paths.state,
    paths.run,
    databasePath(paths),
    layersFolder(paths),
    containerState(paths, "id"),
    containerRun(paths, "id"),
  ];
  for (const path of all) assert(path === "/some/where" || path.startsWith("/some/where/"), path);
  assertEquals(new Set(all).size, all.length);
});

Deno.test("without --root, what dies with the boot lies apart from what survives it", () => {
  const paths = pathsUnder();
  assertEquals(paths, { state: "/var/lib/dhow", run: "/run/dhow" });
  assertEquals(containerState(paths, "id"), "/var/lib/dhow/containers/id");
  assertEquals(containerRun(paths, "id"), "/run/dhow/containers/id");
});
