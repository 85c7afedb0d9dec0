/** What the name server (server.ts) and the rest of dhow have to agree on: descriptors, and the files that it answers from. */

/** Where containers ask for names, docker's address: images have it in their configurations, as nginx's `resolver`. */
export const NAME_SERVER_ADDRESS = [127, 0, 0, 11] as const;
export const DNS_PORT = 53;

/** Whom the name server becomes: it needs nobody's rights. The kernel calls this one's files nobody's (proc(5), overflowuid). */
export const SERVER_USER = { uid: 65534, gid: 65534 } as const;

/** Numbers of the name server's descriptors. */
export const NAME_SERVER_FDS = {
  /** The container's first process: the server ends with it. */
  container: 3,
  /** What tells that it is ready. */
  ready: 4,
  /** The container's folder. */
  folder: 5,
  /** Sockets in the container's network namespace: what questions come by, and what answers go by if that is another. */
  udp: 6,
  tcp: 7,
  raw: 8,
  /** Ends of processes that serve connections (signalfd(2), SIGCHLD, which is blocked). */
  children: 9,
  /** What leads packets to the first two; it lasts as long as it is open. */
  steering: 10,
} as const;

/**
 * In the container's folder there is a link for each of its networks, to the network's zone, in the order in which they are asked: the
 * first has this name, the next that of the character after it, without a gap.
 */
export const FIRST_ZONE = "0";
export const MOST_ZONES = 64;
export const zoneLink = (index: number) => String.fromCharCode(FIRST_ZONE.charCodeAt(0) + index);

/** There is also a file with the servers that are asked for other names: for each a sockaddr (ip(7), ipv6(7)), and zeros. */
export const SERVERS_FILE = "servers";
export const SERVER_SIZE = 32;

/**
 * A zone is a folder with a file for each name and type of query (RFC 1035, 3.2.2; RFC 3596): `web.1`. Names are in lower case. What a
 * file has: the number of answers in two bytes, the higher first, and the answers as they are sent, with `c0 0c` for the name. Each name
 * has one for type 0 as well, without answers, for the types that it has no file for.
 */
export const RECORD_TYPES = { A: 1, PTR: 12, AAAA: 28 } as const;
export const NO_TYPE = 0;

/** Of a name, as a message has it (RFC 1035, 2.3.4), and of the answers in a file. */
export const LONGEST_NAME = 255;
export const LONGEST_ANSWER = 2048;

/** What a label may be made of, so that it is looked for in the folders: none of it leads to another place. */
export const isNameByte = (byte: number) => /[A-Za-z0-9_-]/.test(String.fromCharCode(byte));
