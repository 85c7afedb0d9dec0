import { assert, assertEquals } from "@std/assert";
import { Docker } from "../support/docker.ts";
import { REPOSITORY } from "../support/host.ts";
import { busyboxArchive } from "../support/images.ts";
import { SESSION, type Shape, shapeOf } from "../support/session.ts";
import { systemTest } from "../support/system_test.ts";

/**
 * What docker and dhow do differently, as docs/docker.md lists it: the words after the program's name, between backquotes. Its table
 * of options that there are not lists words that begin with a dash.
 */
function knownDifferences(): string[] {
  const text = Deno.readTextFileSync(`${REPOSITORY}/docs/docker.md`);
  return [...text.matchAll(/^\| `([^-`][^`]*)` +\|/gm)].map(([, command]) => command!.replaceAll("\\|", "|"));
}

systemTest(
  "a session with dhow looks like one with docker, but for the differences that the docs list",
  async (host) => {
    await using docker = await Docker.start();
    const archive = await busyboxArchive();
    assertEquals((await docker.docker("load", "-q", "-i", archive)).code, 0);
    assertEquals((await host.dhow(["load", "-q", "-i", archive])).code, 0);
    assert(SESSION.length >= 40);
    const different: string[] = [];
    const details: [string, Shape, Shape][] = [];
    for (const words of SESSION) {
      const [theirs, ours] = [shapeOf(await docker.docker(...words)), shapeOf(await host.dhow(words))];
      if (JSON.stringify(theirs) === JSON.stringify(ours)) continue;
      different.push(words.join(" "));
      details.push([words.join(" "), theirs, ours]);
    }
    const known = knownDifferences();
    const unlisted = details.filter(([words]) => !known.includes(words));
    assertEquals(unlisted, [], "not in docs/docker.md");
    assertEquals(
      known.filter((words) => !different.includes(words)),
      [],
      "in docs/docker.md, but no difference any more",
    );
  },
);
