import { assertEquals } from "@std/assert";
import { hostCommands } from "../../../../src/plan/explain_host.ts";
import type { HostStep } from "../../../../src/plan/step.ts";
import { shell } from "../scripts.ts";

Deno.test("a script has the names that are known in the container's hosts file, and servers that it can reach", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "dhow unit-" });
  try {
    const [hosts, resolvConf] = [`${folder}/hosts`, `${folder}/resolv.conf`];
    Deno.writeTextFileSync(hosts, "127.0.0.1\tlocalhost\n");
    Deno.writeTextFileSync(resolvConf, "nameserver 127.0.0.11\noptions ndots:0\n");
    const step: HostStep = {
      do: "serve-names",
      why: "answer the container's questions for names",
      root: "/run/dhow/names",
      folder: "containers/it",
      asksFrom: "host",
      instead: {
        hosts,
        names: [
          { address: "100.100.2.2", names: ["web", "www"] },
          { address: "100.100.2.3", names: ["db"] },
        ],
        resolvConf,
        servers: ["192.0.2.1", "192.0.2.2"],
      },
    };
    const { code, stderr } = await shell(["set -eu", ...hostCommands(step)].join("\n"));
    assertEquals([code, stderr], [0, ""]);
    assertEquals(
      Deno.readTextFileSync(hosts),
      "127.0.0.1\tlocalhost\n100.100.2.2\tweb www\n100.100.2.3\tdb\n",
    );
    assertEquals(Deno.readTextFileSync(resolvConf), "nameserver 192.0.2.1\nnameserver 192.0.2.2\n");
    const none = { ...step, instead: { ...step.instead, names: [], servers: [] } };
    const again = await shell(["set -eu", ...hostCommands(none)].join("\n"));
    assertEquals([again.code, Deno.readTextFileSync(resolvConf)], [0, ""]);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});
