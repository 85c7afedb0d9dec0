/** The part of the name server that takes one of the servers from the container's folder (layout.ts). */
import { O_CLOEXEC, O_RDONLY } from "../../../ffi/constants.ts";
import type { Label } from "../../../ffi/standalone.ts";
import { Word } from "../../../ffi/table.ts";
import { NAME_SERVER_FDS as FDS, SERVER_SIZE, SERVERS_FILE } from "./layout.ts";
import { MAY_FAIL, type Memory } from "./memory.ts";

/** struct sockaddr_in6; a longer one than that of its family is taken as well (connect(2)). */
export const SOCKADDR_IN6_SIZE = 28;

export class Servers {
  readonly #path: number;
  /** Its sockaddr, and the family that this begins with. */
  readonly address: number;
  readonly family: Word;

  constructor(readonly memory: Memory) {
    const { program } = memory;
    this.#path = program.text(SERVERS_FILE);
    this.address = program.words(...Array(SERVER_SIZE / 8).fill(0));
    this.family = program.word(0);
  }

  /**
   * @param offset where in the file it is
   * @param none where to go on if there is none
   */
  take(offset: Word, none: Label): void {
    const { program } = this.memory;
    const file = program.call("openat", [FDS.folder, this.#path, O_RDONLY | O_CLOEXEC], MAY_FAIL);
    program.jumpIfLess(file, 0, none);
    const size = program.call("pread64", [file, this.address, SERVER_SIZE, offset], MAY_FAIL);
    program.call("close", [file]);
    program.jumpIfLess(size, SERVER_SIZE, none);
    program.copy(this.family.address, this.address, 2);
  }
}
