import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "../../../../src/errors.ts";
import { applyChanges } from "../../../../src/image/change/instructions.ts";
import type { ProcessConfig } from "../../../../src/image/change/process_config.ts";

const BASE: ProcessConfig = {
  Env: ["PATH=/bin", "A=1"],
  Cmd: ["sh"],
  Labels: { old: "label" },
  WorkingDir: "/srv",
  Unknown: { to: ["dhow"] },
};

for (
  const [change, expected] of [
    ['CMD ["a", "b c"]', { Cmd: ["a", "b c"] }],
    ["CMD a  $A 'b'", { Cmd: ["/bin/sh", "-c", "a  $A 'b'"] }],
    ["cmd [broken", { Cmd: ["/bin/sh", "-c", "[broken"] }],
    ["CMD []", { Cmd: [] }],
    ['ENTRYPOINT ["a"]', { Entrypoint: ["a"], Cmd: null }],
    ["ENTRYPOINT a b", { Entrypoint: ["/bin/sh", "-c", "a b"], Cmd: null }],
    ["ENTRYPOINT", { Entrypoint: null, Cmd: null }],
    ["ENV B=2", { Env: ["PATH=/bin", "A=1", "B=2"] }],
    ["ENV A=2 B=$A", { Env: ["PATH=/bin", "A=2", "B=1"] }],
    ["ENV PATH=$PATH:/opt B='x y'", { Env: ["PATH=/bin:/opt", "A=1", "B=x y"] }],
    ['ENV B two "words"', { Env: ["PATH=/bin", "A=1", "B=two words"] }],
    ["EXPOSE 80 53/UDP 8000-8001/tcp", {
      ExposedPorts: { "80/tcp": {}, "53/udp": {}, "8000/tcp": {}, "8001/tcp": {} },
    }],
    ['LABEL a=b "c d"="e f"', { Labels: { old: "label", a: "b", "c d": "e f" } }],
    ["LABEL old new", { Labels: { old: "new" } }],
    ["ONBUILD RUN $A", { OnBuild: ["RUN $A"] }],
    ["STOPSIGNAL SIGINT", { StopSignal: "SIGINT" }],
    ["STOPSIGNAL 9", { StopSignal: "9" }],
    ["USER app:$A", { User: "app:1" }],
    ["VOLUME /a /b", { Volumes: { "/a": {}, "/b": {} } }],
    ['VOLUME ["/a b"]', { Volumes: { "/a b": {} } }],
    ["WORKDIR /x/../y", { WorkingDir: "/x/../y" }],
    ["WORKDIR sub/$A/..", { WorkingDir: "/srv/sub" }],
    ["HEALTHCHECK NONE", { Healthcheck: { Test: ["NONE"] } }],
    ["HEALTHCHECK CMD a b", { Healthcheck: { Test: ["CMD-SHELL", "a b"] } }],
    ['HEALTHCHECK --interval=1m30s --timeout=500ms --start-period=0 --retries=3 CMD ["a"]', {
      Healthcheck: { Test: ["CMD", "a"], Interval: 90e9, Timeout: 500e6, StartPeriod: 0, Retries: 3 },
    }],
  ] as [string, ProcessConfig][]
) {
  Deno.test(`the change ${change}`, () => {
    assertEquals(applyChanges(BASE, [change]), { ...BASE, ...expected });
  });
}

Deno.test("a new entrypoint takes away the old command, but not one that came before it", () => {
  const { Cmd, Entrypoint } = applyChanges(BASE, ["CMD new", 'ENTRYPOINT ["e"]']);
  assertEquals([Cmd, Entrypoint], [["/bin/sh", "-c", "new"], ["e"]]);
});

Deno.test("changes come one after another, several in one text too, without comments", () => {
  const changes = ["# a comment\nENV B=2\n\nENV C=$B \\\n  D=4", "WORKDIR /$C"];
  const { Env, WorkingDir } = applyChanges(BASE, changes);
  assertEquals([Env, WorkingDir], [["PATH=/bin", "A=1", "B=2", "C=2", "D=4"], "/2"]);
});

Deno.test("the image's shell runs commands that are not lists", () => {
  const { Cmd } = applyChanges({ Shell: ["/bin/ash", "-ec"] }, ["CMD x"]);
  assertEquals(Cmd, ["/bin/ash", "-ec", "x"]);
});

Deno.test("a label may be called like a member that all objects have", () => {
  const { Labels } = applyChanges({}, ["LABEL __proto__=a constructor=b"]);
  assertEquals(Object.entries(Labels as object), [["__proto__", "a"], ["constructor", "b"]]);
});

Deno.test("members of an impossible type are as good as absent", () => {
  const config = { Env: "A=1", Labels: ["x"], WorkingDir: 7, OnBuild: null };
  assertEquals(applyChanges(config, ["ENV B=2", "LABEL a=b", "WORKDIR x", "ONBUILD RUN y"]), {
    Env: ["B=2"],
    Labels: { a: "b" },
    WorkingDir: "/x",
    OnBuild: ["RUN y"],
  });
});

for (
  const [change, why] of [
    ["RUN x", '"RUN" is not a valid change command'],
    ["constructor x", "not a valid change command"],
    ["ENV", "at least one argument"],
    ["ENV A", "two arguments"],
    ["ENV A=1 B", 'no "="'],
    ["ENV =1", "a name is missing"],
    ["ENV A='1", "to end what was begun"],
    ["EXPOSE http", "is no port"],
    ["EXPOSE 90-80", "is no port"],
    ["EXPOSE 65536", "is no port"],
    ["EXPOSE 80/icmp", "is no port"],
    ["USER", "one argument"],
    ["WORKDIR", "one argument"],
    ["VOLUME []", "takes paths"],
    ["ONBUILD FROM x", "is no trigger"],
    ["ONBUILD", "takes an instruction"],
    ["STOPSIGNAL SIGNOTHING", "is no signal"],
    ["STOPSIGNAL 65", "is no signal"],
    ["HEALTHCHECK", "CMD or NONE"],
    ["HEALTHCHECK CMD", "lacks its command"],
    ["HEALTHCHECK NONE x", "takes nothing"],
    ["HEALTHCHECK --interval=fast CMD x", 'time: invalid duration "fast"'],
    ["HEALTHCHECK --interval=1us CMD x", "less than 1ms"],
    ["HEALTHCHECK --interval=-1s CMD x", "less than 1ms"],
    ["HEALTHCHECK --retries=0 CMD x", "is no option"],
    ["HEALTHCHECK --unknown=1 CMD x", "is no option"],
  ] as const
) {
  Deno.test(`the change ${change} is refused`, () => {
    const error = assertThrows(() => applyChanges(BASE, [change]), UsageError, why);
    assertEquals(error.message.startsWith(`cannot make the change ${JSON.stringify(change)}: `), true);
  });
}
