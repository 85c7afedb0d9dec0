/** What a user writes for an image that is not in the store: a path, alone or behind one of skopeo's transport names. */

/** How skopeo calls the formats (containers-transports(5)); undefined: found out from what is there. */
export type Transport = "docker-archive" | "oci-archive" | "oci" | "dir";

export interface Location {
  readonly transport: Transport | undefined;
  readonly path: string;
  /** Which of several images is meant: a name, or what an OCI layout calls it. */
  readonly reference: string | undefined;
}

/** Takes `oci:PATH:REFERENCE` apart. As with skopeo, a path behind a transport holds no colon; `dir:` has no references. */
export function parseLocation(name: string): Location {
  const [, transport, rest] = /^(docker-archive|oci-archive|oci|dir):(.+)$/s.exec(name) ?? [];
  if (rest === undefined) return { transport: undefined, path: name, reference: undefined };
  const colon = transport === "dir" ? -1 : rest.indexOf(":");
  return {
    transport: transport as Transport,
    path: colon < 0 ? rest : rest.slice(0, colon),
    reference: colon < 0 ? undefined : rest.slice(colon + 1),
  };
}

/**
 * Whether the user wrote what cannot be a name in the store: `./x`, `/x`, `oci:./x`. What else has a transport, such as
 * `oci:x`, can be the name and the tag of an image; ask the store first.
 */
export function isSourcePath(name: string): boolean {
  const { transport, path } = parseLocation(name);
  return /^\.{0,2}\//.test(path) || (transport !== undefined && path.includes("/"));
}
