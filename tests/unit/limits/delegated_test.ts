import { assertEquals } from "@std/assert";
import { delegatedCgroup } from "../../../src/limits/delegated.ts";

const V2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n";
const V1 = "30 23 0:26 / /sys/fs/cgroup/pids rw,nosuid - cgroup cgroup rw,pids\n";
const SERVICE = "/user.slice/user-1000.slice/user@1000.service";

/** @param writable paths below the mount point */
const delegated = (own: string, writable: readonly string[], mountinfo = V2) =>
  delegatedCgroup({
    read: (path) =>
      path.endsWith("mountinfo") ? mountinfo : path.endsWith("cgroup") ? `0::${own}\n` : undefined,
    canWrite: (path) =>
      writable.some((each) =>
        [`${each}`, `${each}/cgroup.procs`].includes(path.slice("/sys/fs/cgroup".length))
      ),
  }).path;

Deno.test("the cgroup of systemd's user manager is the user's, not only the one that the shell is in", () => {
  const own = `${SERVICE}/app.slice/shell.scope`;
  assertEquals(delegated(own, [SERVICE, `${SERVICE}/app.slice`, own]), SERVICE);
});

Deno.test("a session of a login is in a cgroup of root's", () => {
  assertEquals(delegated("/user.slice/user-1000.slice/session-1.scope", [SERVICE]), undefined);
});

Deno.test("one that is the topmost in a namespace counts", () => {
  assertEquals(delegated("/", [""]), "");
});

Deno.test("one outside of the namespace does not, nor does version 1", () => {
  assertEquals(delegated("/../other", [""]), undefined);
  assertEquals(delegated("/own", ["/own"], V1), undefined);
});
