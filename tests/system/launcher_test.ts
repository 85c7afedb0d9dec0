import { assert, assertEquals } from "@std/assert";
import { busyboxArchive } from "../support/images.ts";
import { DHOW } from "../support/host.ts";
import { systemTest } from "../support/system_test.ts";

systemTest("V8 takes the compiled code of every command", async (host) => {
  const archive = await busyboxArchive();
  const commands = [
    ["version"],
    ["images"],
    ["load", "-q", "-i", archive],
    ["explain", "run", archive],
    ["run", "--network", "none", archive, "true"],
    ["recover"],
  ];
  for (const command of commands) {
    const { code, stderr } = await host.dhow(["--debug", ...command]);
    assertEquals(code, 0, stderr);
    assert(!stderr.includes("V8 rejects"), stderr);
  }
});

systemTest("whatever TMPDIR says, dhow loads nothing from the host's files", async (host) => {
  // a path that is no UTF-8 and what a text that is made from it says
  const [odd, asText] = ["/tmp/odd\\377", "/tmp/odd\\357\\277\\275"];
  const planted =
    '(function () { Deno.stdout.writeSync(new TextEncoder().encode("planted")); Deno.exit(0); })';
  const path = await host.write("planted", planted);
  const { stdout } = await host.run([
    "sh",
    "-c",
    `
    odd=$(printf '${odd}') text=$(printf '${asText}')
    for folder in "$odd" "$text"; do
      for name in deno-compile-dhow deno-compile-dhow/packs deno-compile-dhow/dist/packs; do
        mkdir -p "$folder/$name" && cp ${path} "$folder/$name/core.txt" && : >"$folder/$name/core.cache"
      done
    done
    TMPDIR=$odd ${DHOW} version || true
    rm -r "$odd" "$text"
  `,
  ]);
  assert(!stdout.includes("planted"));
});
