import { assertEquals, assertMatch } from "@std/assert";
import { assertFailure, assertSuccess } from "../support/containers.ts";
import { eventually } from "../support/eventually.ts";
import { DHOW, type Host } from "../support/host.ts";
import { systemTest } from "../support/system_test.ts";

/** Makes a small file system in a folder of the host. */
async function makeTree(host: Host): Promise<string> {
  const tree = host.file("tree");
  await host.shell(`
    mkdir -p ${tree}/bin ${tree}/data/${"d".repeat(120)}; cd ${tree}; cp /bin/busybox bin
    for name in sh cat find sort stat sha256sum xargs; do ln -s busybox bin/$name; done
    cd data; echo text >file; ln file hard; ln -s file symbolic; mkfifo fifo; chmod 4711 file
    printf long >${"d".repeat(120)}/${"f".repeat(100)}; printf odd >"$(printf 'odd\\377')"
    truncate -s 3000000 sparse; echo end >>sparse; chown -R 7:8 .; touch -h -d @1600000000 file symbolic sparse`);
  return tree;
}

const DESCRIBE = `cd /data; find . ! -name . -print0 | sort -z | xargs -0 stat -c '%n %f %u:%g %h %N'
  find . -type f -print0 | sort -z | xargs -0 sha256sum`;

async function describe(host: Host, image: string): Promise<string> {
  const output = await host.dhow(["run", "--network", "none", image, "sh", "-c", DESCRIBE]);
  assertSuccess(output);
  return output.stdout;
}

/** The same, of a folder on the host. */
function truth(host: Host, tree: string): Promise<string> {
  return host.succeed(["chroot", tree, "sh", "-c", DESCRIBE]);
}

const PYTHON = `import sys, tarfile
with tarfile.open(sys.argv[1], "w", format=tarfile.PAX_FORMAT) as tar: tar.add(".")`;

for (
  const [name, argv] of [
    ["GNU tar", ["tar", "--format=gnu", "-Scf"]],
    ["GNU tar in pax format", ["tar", "--format=pax", "-Scf"]],
    ["bsdtar", ["bsdtar", "-cf"]],
    ["python", ["python3", "-c", PYTHON]],
  ] as const
) {
  systemTest(`a tar of ${name}'s becomes an image with the same files`, async (host) => {
    const tree = await makeTree(host);
    const file = host.file("tree.tar");
    const rest = argv[0] === "python3" ? [file] : [file, "."];
    await host.succeed(["env", "--chdir", tree, "LC_ALL=C.UTF-8", ...argv, ...rest]);

    const output = await host.dhow(["import", file, "imported:it"]);

    assertSuccess(output);
    assertMatch(output.stdout, /^sha256:[0-9a-f]{64}\n$/);
    assertEquals(await describe(host, "imported:it"), await truth(host, tree));
  });
}

/** A tar with busybox, on the host. */
async function makeTar(host: Host): Promise<string> {
  const file = host.file("root.tar");
  await host.shell(
    `mkdir -p ${host.file("root")}/bin; cd ${host.file("root")}; cp /bin/busybox bin; ln -s busybox bin/sh
    tar -cf ${file} .`,
  );
  return file;
}

async function hello(host: Host, image: string): Promise<string> {
  return (await host.dhow(["run", "--network", "none", image, "sh", "-c", "echo hello"])).stdout;
}

systemTest("import reads standard input, and gzip", async (host) => {
  const file = await makeTar(host);
  assertMatch(await host.shell(`cat ${file} | ${DHOW} import - piped`), /^sha256:/);
  assertMatch(await host.shell(`gzip -k ${file}; ${DHOW} import ${file}.gz zipped`), /^sha256:/);
  assertMatch(await host.shell(`${DHOW} import - zipped:piped <${file}.gz`), /^sha256:/);
  for (const name of ["piped", "zipped", "zipped:piped"]) assertEquals(await hello(host, name), "hello\n");
});

systemTest("the same tar is the same layer, however it comes", async (host) => {
  const file = await makeTar(host);
  await host.shell(
    `gzip -k ${file}; ${DHOW} import ${file} a; ${DHOW} import ${file}.gz b; ${DHOW} import - c <${file}`,
  );
  assertEquals((await host.shell("ls /var/lib/dhow/layers | wc -l")).trim(), "1");
});

/** A web server of the host's that answers each path with what a Python expression says of it: a status, a length, a body. */
const SERVER = `import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        status, length, body = eval(sys.argv[1])(self.path)
        self.send_response(status)
        self.send_header("Content-Length", length)
        self.end_headers()
        self.wfile.write(body)
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()`;

async function serve(host: Host, answer: string) {
  const server = host.spawn(["python3", "-c", SERVER, answer]);
  const [, port] = await server.stdout.until(/^(\d+)\n/);
  return { server, url: `http://127.0.0.1:${port}` };
}

systemTest("import takes a tar from a web server, and says what went wrong there", async (host) => {
  const file = await makeTar(host);
  const content = `(lambda body: (200, len(body), body))(open("${file}", "rb").read())`;
  const { server, url } = await serve(
    host,
    `lambda path: ${content} if path == "/it.tar" else (404, 0, b"")`,
  );
  {
    await using _server = server;
    assertSuccess(await host.dhow(["import", `${url}/it.tar`, "web"]));
    assertEquals(await hello(host, "web"), "hello\n");
    const missing = await host.dhow(["import", `${url}/none.tar`]);
    assertFailure(missing, 1, /cannot download "http:\/\/127.*none.tar": the server answered 404 Not Found/);
  }
  assertFailure(await host.dhow(["import", `${url}/it.tar`]), 1, /cannot download .*refused/);
});

systemTest("a download that breaks off is an error, and leaves nothing", async (host) => {
  const { server, url } = await serve(host, 'lambda path: (200, 100000, b"abc")');
  await using _server = server;
  const output = await host.dhow(["import", `${url}/cut.tar`]);
  assertFailure(output, 1, /cannot download "http:.*cut.tar": error reading a body/);
});

systemTest("--change and --message and --platform go into the config", async (host) => {
  const file = await makeTar(host);
  const change = ["-c", "ENV A=1", "-c", 'CMD ["/bin/sh", "-c", "echo it is $A"]'];
  assertSuccess(await host.dhow(["import", ...change, "-m", "why", file, "changed"]));
  assertEquals((await host.dhow(["run", "--network", "none", "changed"])).stdout, "it is 1\n");
  const other = Deno.build.arch === "aarch64" ? "amd64" : "arm64";
  assertSuccess(await host.dhow(["import", "--platform", `linux/${other}`, file, "other"]));
  const output = await host.dhow(["run", "--network", "none", "other", "true"]);
  assertFailure(output, 125, new RegExp(`it is for linux/${other}`));
});

systemTest("import refuses what is no tar, and says what it is", async (host) => {
  const file = await makeTar(host);
  const folder = host.file("");
  await host.shell(
    `cd ${folder}; xz -k root.tar; bzip2 -k root.tar; : >empty; head -c 100000 /dev/urandom >garbage
    head -c 100000 root.tar >cut; head -c 50000 /dev/zero >zeros; mkfifo fifo`,
  );
  for (
    const [name, why] of [
      ["root.tar.xz", /compressed with xz; uncompress it first, with: unxz/],
      ["root.tar.bz2", /compressed with bzip2/],
      ["empty", /it is empty/],
      ["garbage", /cannot use ".*garbage"/],
      ["cut", /truncated/],
      ["none", /cannot open ".*none": no such file or directory \(ENOENT\); check the path/],
      ["", /cannot open .*not a regular file/],
      ["fifo", /not a regular file/],
    ] as const
  ) assertFailure(await host.dhow(["import", `${folder}${name}`]), 1, why);
  assertFailure(await host.dhow(["import"]), 1, /a tar and a name/);
  assertFailure(await host.dhow(["import", file, "Upper"]), 1, /lowercase/);
  assertFailure(await host.dhow(["import", "--platform", "windows/amd64", file]), 1, /for linux only/);
  assertFailure(
    await host.dhow(["import", "-c", "FROM x", file]),
    1,
    /"FROM" is not a valid change command/,
  );
  assertEquals((await host.dhow(["images", "-q"])).stdout, "");
});

systemTest("an import that is interrupted while it waits for input leaves nothing", async (host) => {
  await using importing = host.spawnDhow(["import", "-"]);
  await importing.write(new Uint8Array(1 << 20));
  // its temporary file has no name, but is open
  await eventually(() =>
    host.shell("ls -l /proc/[0-9]*/fd 2>/dev/null | grep -q '/var/lib/dhow/#.*deleted'")
  );
  await importing.kill("INT");
  assertFailure(await importing.output({ endsInput: false }), 1, /interrupted \(SIGINT\)/);
});
