import { Arena } from "../../ffi/arena.ts";
import { ENODATA, SystemCallError } from "../../ffi/errno.ts";
import { CallTable } from "../../ffi/table.ts";

function withArena<T>(work: (arena: Arena, table: CallTable) => T): T {
  const arena = new Arena(1 << 16);
  try {
    return work(arena, new CallTable(arena, 1));
  } finally {
    arena.release();
  }
}

/** Sets an extended attribute of a file, or of a symlink itself. */
export function setXattr(path: string, name: string, value: Uint8Array): void {
  withArena((arena, table) => {
    table.call("lsetxattr", [path, name, arena.data(value), value.length, 0]);
    table.run();
  });
}

/** An extended attribute as text; undefined when there is none. */
export function xattr(path: string, name: string): string | undefined {
  return withArena((arena, table) => {
    const value = arena.allocate(1024);
    const call = table.call("lgetxattr", [path, name, value, 1024]);
    try {
      table.run();
    } catch (error) {
      if (error instanceof SystemCallError && error.errno === ENODATA) return undefined;
      throw error;
    }
    const start = value - arena.address;
    return new TextDecoder().decode(arena.bytes.slice(start, start + call.result));
  });
}
