import { basename, dirname, resolve } from "@std/path";
import { newId } from "../container/names.ts";
import { onlyImage, readEtc } from "../container/image.ts";
import { locateImage } from "../container/locate.ts";
import { type ContainerMount, isBind, settleMounts } from "../container/mounts.ts";
import { hasOwnIds, isLimited, joinsOthers, type RunOptions } from "../container/options.ts";
import { type ImageEtc, type PartnersOfStart, prepare, type RunnableImage } from "../container/prepare.ts";
import { securityOf } from "../container/security.ts";
import { HostError, UsageError } from "../errors.ts";
import { archivedFiles } from "../image/files/archived.ts";
import { assertRunnableHere } from "../image/config.ts";
import { mergeHealthcheck } from "../image/healthcheck.ts";
import { isSourcePath } from "../image/source/location.ts";
import { openSource } from "../image/source/open.ts";
import type { ImageStore, StoredImage } from "../image/store/store.ts";
import { imagineEndpoint } from "../network/endpoints.ts";
import type { Endpoint } from "../network/network.ts";
import type { PublishedPort } from "../network/ports.ts";
import { explain } from "../plan/explain.ts";
import type { Archive } from "../plan/explain_archive.ts";
import type { Firewalls } from "../plan/explain_host.ts";
import { commandLine } from "../plan/shell.ts";
import type { FilteredNetwork } from "../plan/step.ts";
import type { Lower } from "../rootfs/overlay.ts";
import { pathsUnder, volumeData } from "../state/paths.ts";
import { isRootless } from "../state/user_namespace.ts";
import { type Command, type GlobalOptions, helpText, parse, withHelp } from "./command.ts";
import { healthRemarks } from "./explain_health.ts";
import { print } from "./output.ts";
import { readRunOptions, RUN_OPTIONS } from "./run_options.ts";
import { openSession } from "./session.ts";
import { storeOf } from "./store_of.ts";

export const command: Command = {
  usage: "run [OPTIONS] IMAGE [COMMAND [ARG...]]",
  summary:
    "Print what run would do, as a shell script that does it. It changes nothing; an archive needs no root.",
  options: [],
  stopsAtFirst: true,
  async run({ args, global }) {
    const [verb, ...rest] = args;
    if (verb !== "run") {
      const why = verb === undefined ? "no command was given" : `"${verb}" cannot be explained`;
      throw new UsageError({ what: "cannot explain", why, hint: "write: dhow explain run IMAGE" });
    }
    const parsed = parse("dhow explain run", withHelp(RUN_OPTIONS), rest, true);
    if (parsed.options.flag("help")) {
      print(helpText("explain", { ...command, options: RUN_OPTIONS }));
      return 0;
    }
    if (isRootless()) {
      throw new HostError({
        what: "cannot explain in a user namespace",
        why: "what is explained is what root does",
        hint: "run it outside of the namespace",
      });
    }
    const given = readRunOptions({ ...parsed, global });
    const limiting = isLimited(given) ? await import("../container/limiting.ts") : undefined;
    const limited = limiting?.withPossibleLimits(given) ?? given;
    const wanted = hasOwnIds(given) ? (await import("../container/id_ranges.ts")).withIds(limited) : limited;
    const { options, partners } = await joined(wanted, global);
    const id = newId();
    const workFolder = `/tmp/dhow-${id.slice(0, 12)}`;
    const { image, archive } = await inspect(options, global, `${workFolder}/layers`);
    const endpoints = await imagine(id, options, global);
    // volumes of the script are its own: they go with its folder
    const inherited = await othersMounts(options, global);
    const { mounts } = settleMounts(options.mounts, image.config.volumes ?? [], newId, inherited);
    const paths = pathsUnder(workFolder);
    const security = await securityOf(options);
    const plan = prepare({
      id,
      options,
      image,
      endpoints,
      ports: explainedPorts(options),
      ...(options.networks === undefined
        ? {}
        : { naming: await import("../container/naming.ts"), known: await others(options, global) }),
      paths,
      security,
      mounts,
      partners,
      limiting,
      fillsVolumes: true,
      // the tutorial's tools know no mounts with other owners
      idMethod: hasOwnIds(options) ? "copy" : undefined,
    });
    const { config } = image;
    const networks = plan.steps.flatMap((step) => step.do === "make-network" ? [step.setup.filtered] : []);
    const remarks = healthRemarks(mergeHealthcheck(options.healthcheck, config.healthcheck), config.shell);
    print(
      explain({
        title: commandLine("dhow", ...args),
        workFolder,
        archive,
        plan,
        firewalls: await firewallsOf(networks),
        remarks,
      }),
    );
    return 0;
  },
};

/** The rules of networks, by their bridges. */
async function firewallsOf(networks: readonly FilteredNetwork[]): Promise<Firewalls> {
  if (networks.length === 0) return {};
  const { explainFirewall } = await import("../network/firewall/explain.ts");
  const entries = networks.map(async (network) => [network.bridge, await explainFirewall(network)] as const);
  return Object.fromEntries(await Promise.all(entries));
}

/** The places in networks that it would have. */
async function imagine(id: string, options: RunOptions, global: GlobalOptions): Promise<readonly Endpoint[]> {
  if (options.network !== "bridge") return [];
  if (options.networks === undefined) return [imagineEndpoint(id, options.address)];
  const { database } = await openSession(global, "look at networks");
  const { imagineEndpoints, resolveAttachments } = await import("../network/attach.ts");
  return imagineEndpoints(database, id, resolveAttachments(database, options.networks));
}

/** A script cannot choose: where a free port is wanted, it is the same as the container's. */
function explainedPorts({ network, ports = [] }: RunOptions): PublishedPort[] {
  if (network !== "bridge") return [];
  return ports.map((port) => port.hostPort === 0 ? { ...port, hostPort: port.containerPort } : port);
}

/** Those that are in its networks now. */
async function others({ networks = [] }: RunOptions, global: GlobalOptions) {
  const { database } = await openSession(global, "look at networks");
  const { namedMembers } = await import("../container/naming.ts");
  const { resolveAttachments } = await import("../network/attach.ts");
  return resolveAttachments(database, networks).flatMap(({ network }) => namedMembers(database, network))
    .flatMap(({ address, names }) => address === undefined ? [] : [{ address, names }]);
}

/** Finds the containers whose namespaces are to be joined. */
async function joined(
  options: RunOptions,
  global: GlobalOptions,
): Promise<{ options: RunOptions; partners: PartnersOfStart | undefined }> {
  if (!joinsOthers(options)) return { options, partners: undefined };
  const { database, paths } = await openSession(global, "look at other containers");
  const { findPartners, resolveJoins } = await import("../container/joins.ts");
  const resolved = resolveJoins(database, options);
  return { options: resolved, partners: findPartners(database, paths, resolved) };
}

/** What comes from other containers: their volumes as the folders that they are. */
async function othersMounts(
  { volumesFrom }: RunOptions,
  global: GlobalOptions,
): Promise<ContainerMount[]> {
  if (volumesFrom.length === 0) return [];
  const { database, paths } = await openSession(global, "look at other containers");
  const { inheritedMounts } = await import("../container/volumes_from.ts");
  return inheritedMounts(database, volumesFrom).map((mount) => {
    if (mount.type !== "volume") return mount;
    const { name, target, readOnly, options } = mount;
    const source = options !== undefined && isBind(options) ? options["device"]! : volumeData(paths, name);
    return { type: "bind", source, target, readOnly, propagation: "rprivate", createsSource: false };
  });
}

interface Inspected {
  readonly image: RunnableImage;
  readonly archive: Archive | undefined;
}

/** Reads an image, and changes nothing. */
async function inspect(
  { image: name, platform }: Pick<RunOptions, "image" | "platform">,
  global: GlobalOptions,
  layersFolder: string,
): Promise<Inspected> {
  const store = isSourcePath(name) || Deno.uid() !== 0
    ? undefined
    : storeOf(await openSession(global, "explain"));
  const found = locateImage(store ?? NO_STORE, name, platform);
  if (found.kind === "registry") {
    if (Deno.uid() === 0) throw found.absence;
    throw new HostError({
      what: `cannot explain ${JSON.stringify(name)}`,
      why: "what is explained is what root does, who does not have the images of this user",
      hint: `save it first: dhow save -o image.tar ${name}; dhow explain run ./image.tar`,
    });
  }
  if (found.kind === "store") {
    if (platform === undefined) assertRunnableHere(found.image.config, name);
    return await inspectStored(store!, found.image, layersFolder);
  }
  const choice = platform === undefined ? {} : { platform };
  using source = await openSource(name, { spoolFolder: Deno.env.get("TMPDIR") || "/tmp", ...choice });
  if (source.origin === undefined) {
    throw new UsageError({
      what: `cannot explain ${JSON.stringify(name)}`,
      why: "it comes through a pipe, and a script could not read it once more",
      hint: "save it to a file first",
    });
  }
  const image = onlyImage(source, name);
  if (platform === undefined) assertRunnableHere(image.config, name);
  const { kind, path } = source.origin;
  const names = image.layers.map(({ name }) => name);
  const archive = toUnpack(resolve(path), kind === "folder", names, layersFolder);
  const etc = await readEtc(archivedFiles(image.layers.map((blob) => ({ blob }))));
  return { image: { config: image.config, lower: lowerOf(archive), etc }, archive };
}

/** Who is not root has none. */
const NO_STORE: Pick<ImageStore, "find"> = { find: () => undefined };

/** A store may have an image unpacked; if not, the script unpacks it, because the tutorial's tools know no EROFS. */
async function inspectStored(
  store: ImageStore,
  stored: StoredImage,
  layersFolder: string,
): Promise<Inspected> {
  const { config } = stored;
  const etc = await store.describe(stored) as ImageEtc;
  const lower = store.unpacked(stored);
  if (lower !== undefined) return { image: { config, lower, etc }, archive: undefined };
  const tars = store.tars(stored);
  const archive = toUnpack(dirname(tars[0]!), true, tars.map((path) => basename(path)), layersFolder);
  return { image: { config, lower: lowerOf(archive), etc }, archive };
}

function toUnpack(path: string, isFolder: boolean, names: readonly string[], layersFolder: string): Archive {
  const layers = names.map((name, index) => ({ name, folder: `${layersFolder}/${index}` }));
  return { path, isFolder, layers };
}

function lowerOf({ layers }: Archive): Lower {
  return { kind: "folders", layers: layers.map(({ folder }) => folder).toReversed() };
}
