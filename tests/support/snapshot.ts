import { eventually } from "./eventually.ts";
import { type Host, REPOSITORY } from "./host.ts";
import { succeed } from "./process.ts";

/** What dhow can leave on a host, as lines under headings. Equal snapshots: nothing was left. */
export type Snapshot = Readonly<Record<string, readonly string[]>>;

/** What lies below dhow's folders and /run as long as the host lives, and what is none of dhow's doing. */
const PERMANENT = new RegExp(
  "^/run/(host|netns|xtables\\.lock|dhow/|dhow/containers/|dhow/.*\\.lock)$|" +
    "^/var/lib/dhow/(dhow\\.db.*|layers/|copies/|containers/|spool/|volumes/|.*\\.lock)$",
);

/** Empty tables and chains with the policy ACCEPT are what any use of iptables leaves; they change nothing. */
function rules(saved: string): string[] {
  const lines: string[] = [];
  let table = "";
  for (const line of saved.split("\n")) {
    if (line.startsWith("*")) table = line.slice(1);
    else if (line.startsWith("-")) lines.push(`${table}: ${line}`);
    else if (line.startsWith(":") && !/ ACCEPT \[/.test(line)) {
      lines.push(`${table}: ${line.replace(/ \[.*$/, "")}`);
    }
  }
  return lines;
}

/** What varies by itself: numbers of interfaces and namespaces, timers, counters, the tests' own pace. */
function links(text: string): string[] {
  return text.split("\n").map((line) =>
    line.replace(/^\d+: /, "").replace(/@if\d+/, "").replace(/link-netnsid \d+ /, "").replace(/ +$/, "")
  ).filter((line) => line !== "");
}

function mounts(pid: number): string[] {
  return Deno.readTextFileSync(`/proc/${pid}/mountinfo`).trimEnd().split("\n").map((line) => {
    const [, , , root, point, options, ...rest] = line.split(" ");
    return `${point} ${root} ${options} ${rest.slice(rest.indexOf("-") + 1).join(" ")}`;
  });
}

/** Paths of all that lies below a folder; those of folders end with a slash. Symbolic links are not followed. */
function filesBelow(host: Host, folder: string, skip: readonly string[] = []): string[] {
  const paths: string[] = [];
  try {
    for (const entry of Deno.readDirSync(host.path(folder))) {
      const path = `${folder}${entry.name}`;
      if (skip.includes(path)) continue;
      paths.push(entry.isDirectory ? `${path}/` : path);
      if (entry.isDirectory) paths.push(...filesBelow(host, `${path}/`, skip));
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error; // it went while we looked
  }
  return paths;
}

/** Where the store keeps images. */
const STORE = ["/var/lib/dhow/layers", "/var/lib/dhow/indexes"];
/** Copies of images stay until somebody prunes; userns_test.ts looks after those. */
const COPIES = "/var/lib/dhow/copies";

/** What the store has of images. */
function layersOf(host: Host): string[] {
  return STORE.flatMap((folder) =>
    filesBelow(host, `${folder}/`).filter((path) => /^[^/]+\/?$/.test(path.slice(folder.length + 1)))
  );
}

/** The state of a host that dhow must leave as it found it. */
export async function snapshot(host: Host): Promise<Snapshot> {
  // The machine's own programs in the host's network: they are there even when the host lacks them.
  const sections = (await succeed([
    "nsenter",
    "--target",
    `${host.pid}`,
    "--net",
    "--",
    "sh",
    "-euc",
    `
    ip -details link
    echo ---
    ip -oneline address | sed 's/^[0-9]*: //'
    echo ---
    ip route show table all
    ip rule
    echo ---
    iptables-save
    ip6tables-save
    echo ---
    if command -v nft >/dev/null; then nft --stateless list ruleset | grep -E 'table|chain' || true; fi
    echo ---
    cat /proc/sys/net/ipv4/ip_forward
    `,
  ])).split("---\n"); // deno-fmt-ignore
  const [link = "", address = "", route = "", saved = "", , forward = ""] = sections;
  const files = [
    ...filesBelow(host, "/run/", ["/run/host"]),
    ...filesBelow(host, "/var/lib/dhow/", [...STORE, COPIES]),
    ...filesBelow(host, "/tmp/", [REPOSITORY]),
  ];
  return {
    mounts: mounts(host.pid).sort(),
    links: links(link),
    addresses: address.trimEnd().split("\n"),
    routes: route.trimEnd().replace(/ expires \d+sec/g, "").split("\n").sort(),
    rules: rules(saved),
    "ip_forward": [forward.trim()],
    cgroups: filesBelow(host, "/sys/fs/cgroup/").filter((path) => path.endsWith("/")).sort(),
    files: files.filter((path) => !PERMANENT.test(path)).sort(),
    layers: layersOf(host),
    processes: host.processes().map(({ command }) => command).sort(),
  };
}

/**
 * A line for each difference, as diff prints them; empty when there is none.
 * @param ignored headings that may differ
 */
export function differences(before: Snapshot, after: Snapshot, ignored: readonly string[] = []): string[] {
  const lines: string[] = [];
  for (const heading of Object.keys(before).filter((heading) => !ignored.includes(heading))) {
    const left = [...before[heading] ?? []];
    const added: string[] = [];
    for (const line of after[heading] ?? []) {
      const index = left.indexOf(line);
      if (index === -1) added.push(line);
      else left.splice(index, 1);
    }
    lines.push(
      ...left.map((line) => `${heading}: - ${line}`),
      ...added.map((line) => `${heading}: + ${line}`),
    );
  }
  return lines;
}

/** Waits until the host is as it was: the kernel takes a moment to remove the links of a namespace that has ended. */
export async function sameAgain(
  host: Host,
  before: Snapshot,
  ignored: readonly string[] = [],
): Promise<void> {
  await eventually(async () => {
    const found = differences(before, await snapshot(host), ignored);
    if (found.length > 0) throw new Error(`the host is not as it was before:\n${found.join("\n")}`);
  });
}
