/** Loop devices (loop(4)): files as block devices, for kernels that mount a file system from nothing else. */
import { Arena } from "../../ffi/arena.ts";
import { AT_FDCWD, O_CLOEXEC, O_RDONLY, O_RDWR } from "../../ffi/constants.ts";
import { EBUSY } from "../../ffi/errno.ts";
import { libcCall, tryLibcCall } from "../../ffi/table.ts";
import { resolve } from "@std/path";
import type { ChildStep, ImageIndex } from "./step.ts";

/** ioctl(2) requests of linux/loop.h; LOOP_CONFIGURE came with Linux 5.8. */
const LOOP_CTL_GET_FREE = 0x4c82;
const LOOP_CONFIGURE = 0x4c0a;

const LO_FLAGS_READ_ONLY = 1;
const LO_FLAGS_AUTOCLEAR = 4;

/** How often another process may be faster. */
const MAX_ATTEMPTS = 100;

/** struct loop_config: a descriptor, the block size, a struct loop_info64 of 232 bytes, and 64 reserved bytes. */
const CONFIG_SIZE = 8 + 232 + 64;
const CONFIG_BLOCK_SIZE = 4;
/** lo_flags in the loop_info64. */
const CONFIG_FLAGS = 8 + 52;

/** A file as a block device. Once nobody has it open or mounted any more, the kernel lets go of the file by itself. */
export interface LoopDevice extends Disposable {
  /** `/dev/loop3` */
  readonly path: string;
}

/**
 * Makes a file a read-only block device with blocks of 512 bytes.
 * @param path of the file
 * @throws {SystemCallError} when that is not possible
 */
export function attachLoop(path: string): LoopDevice {
  const arena = new Arena(4096);
  const file = libcCall("openat", AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
  const control = tryOpen("/dev/loop-control", file);
  try {
    const config = arena.allocate(CONFIG_SIZE);
    arena.setInt(config, file);
    arena.setInt(config + CONFIG_BLOCK_SIZE, 512);
    arena.setInt(config + CONFIG_FLAGS, LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR);
    for (let attempt = 1;; attempt++) {
      const path = `/dev/loop${libcCall("ioctl", control, LOOP_CTL_GET_FREE, 0)}`;
      const device = libcCall("openat", AT_FDCWD, path, O_RDWR | O_CLOEXEC);
      // another process may have taken it since
      const tolerated = attempt < MAX_ATTEMPTS ? [EBUSY] : [];
      if (tryLibcCall(tolerated, "ioctl", device, LOOP_CONFIGURE, config) === 0) {
        return { path, [Symbol.dispose]: () => void libcCall("close", device) };
      }
      libcCall("close", device);
    }
  } finally {
    libcCall("close", control);
    libcCall("close", file);
    arena.release();
  }
}

/** Opens a device; closes another descriptor if that fails. */
function tryOpen(path: string, other: number): number {
  try {
    return libcCall("openat", AT_FDCWD, path, O_RDWR | O_CLOEXEC);
  } catch (error) {
    libcCall("close", other);
    throw error;
  }
}

/** The loop devices of a container's image. */
export class LoopDevices {
  readonly #byFile = new Map<string, LoopDevice>();

  /** @throws {SystemCallError} when that is not possible */
  attach(files: readonly string[]): void {
    for (const file of files) this.#byFile.set(file, attachLoop(file));
  }

  /** The child's steps, with the devices in place of the files that they stand for. */
  inPlaceOfFiles(steps: readonly ChildStep[]): readonly ChildStep[] {
    if (this.#byFile.size === 0) return steps;
    return steps.map((step) => step.op === "mount-index" ? this.of(step) : step);
  }

  /** An index on the devices. */
  of<T extends ImageIndex>(image: T): T {
    const device = (file: string) => this.#byFile.get(resolve(image.folder, file))?.path ?? file;
    return { ...image, index: device(image.index), devices: image.devices.map(device) };
  }

  /** They go with their last mount. */
  detach(): void {
    for (const loop of this.#byFile.values()) loop[Symbol.dispose]();
    this.#byFile.clear();
  }
}
