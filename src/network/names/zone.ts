/** A network's zone: the files from which the name servers of its containers answer (src/plan/names/layout.ts). */
import { NO_TYPE, RECORD_TYPES } from "../../plan/names/layout.ts";
import { encodeAddress4, encodeAddress6, encodeName, encodeRecord, reverseName } from "./wire.ts";

/** A container's place in a network. */
export interface NamedEndpoint {
  /** Its name, its short id, and what else it is to be found by. The first is what its address is told to belong to. */
  readonly names: readonly string[];
  readonly address?: string;
  readonly address6?: string;
}

/** What files are to have, by their names. */
export type ZoneFiles = ReadonlyMap<string, Uint8Array>;

/**
 * How long an answer may be kept, in seconds. Docker's 600 has a proxy that keeps answers (nginx's `resolver`) send to where a container was
 * before it was started again; with 0 it would ask for each request.
 */
const TTL = 2;

/** What fits into an answer by UDP without EDNS (RFC 1035, 2.3.4), with a header, the question's type and class, and an OPT record. */
const LARGEST_MESSAGE = 512;
const OTHER_BYTES = 12 + 4 + 11;

/** NAME_MAX of the kernel (limits.h). */
const LONGEST_FILE_NAME = 255;

/**
 * The files of a zone. A name that cannot be one in DNS has none. Several containers may have the same name: all their addresses are
 * answered, as many as fit.
 * @param network its name: containers are also found by `name.network`
 */
export function zoneFiles(network: string, endpoints: readonly NamedEndpoint[]): ZoneFiles {
  const zone = new Zone();
  for (const { names, address, address6 } of endpoints) {
    const addresses = [
      ...dataOf(RECORD_TYPES.A, address, encodeAddress4),
      ...dataOf(RECORD_TYPES.AAAA, address6, encodeAddress6),
    ];
    const known = [...new Set(names.map((name) => name.toLowerCase()))];
    for (const name of known.flatMap((name) => [name, `${name}.${network}`.toLowerCase()])) {
      for (const { type, data } of addresses) zone.add(name, type, data);
    }
    const [first] = known;
    const pointed = first === undefined ? undefined : encodeName(`${first}.${network}`.toLowerCase());
    if (pointed === undefined) continue;
    for (const { data } of addresses) zone.add(reverseName(data), RECORD_TYPES.PTR, pointed);
  }
  return zone.files();
}

function dataOf(
  type: number,
  address: string | undefined,
  encode: (address: string) => Uint8Array<ArrayBuffer> | undefined,
) {
  const data = address === undefined ? undefined : encode(address);
  if (address !== undefined && data === undefined) throw new RangeError(`not an address: "${address}"`);
  return data === undefined ? [] : [{ type, data }];
}

class Zone {
  readonly #records = new Map<string, Map<number, Map<string, Uint8Array<ArrayBuffer>>>>();

  add(name: string, type: number, data: Uint8Array): void {
    const types = this.#records.get(name) ?? new Map<number, Map<string, Uint8Array<ArrayBuffer>>>();
    const records = types.get(type) ?? new Map<string, Uint8Array<ArrayBuffer>>();
    // the same one only once: a container may have a name twice
    records.set(data.join(), encodeRecord(type, TTL, data));
    this.#records.set(name, types.set(type, records));
  }

  files(): ZoneFiles {
    const files = new Map<string, Uint8Array<ArrayBuffer>>();
    for (const [name, types] of this.#records) {
      const length = encodeName(name)?.length;
      if (length === undefined || name.length + ".28".length > LONGEST_FILE_NAME) continue;
      files.set(`${name}.${NO_TYPE}`, fileOf([]));
      for (const [type, records] of types) {
        let left = LARGEST_MESSAGE - OTHER_BYTES - length;
        const fitting = [...records.values()].filter((record) => (left -= record.length) >= 0);
        files.set(`${name}.${type}`, fileOf(fitting));
      }
    }
    return files;
  }
}

function fileOf(records: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(records.length >> 8, records.length & 0xff, ...records.flatMap((each) => [...each]));
}
