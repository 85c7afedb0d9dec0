/**
 * The part of EROFS's on-disk format that an index needs (Linux: fs/erofs/erofs_fs.h, Documentation/filesystems/erofs.rst).
 * All numbers are little-endian.
 */

/** Bytes of a block, as small as EROFS allows: so a tar's file data, which start at any multiple of 512, are blocks. */
export const BLOCK_BITS = 9;
export const BLOCK_SIZE = 1 << BLOCK_BITS;

/** Where the superblock is, and where the device slots that follow it are. */
export const SUPERBLOCK_OFFSET = 1024;
const SUPERBLOCK_SIZE = 128;
export const DEVICE_SLOT_SIZE = 128;

/** Inodes are numbered by where they are: in units of 32 bytes from the start of the metadata. */
export const INODE_SLOT = 32;
export const INODE_SIZE = 64;

export const DIRENT_SIZE = 12;

/** The largest block number but one: the last stands for a hole. */
export const MAX_BLOCKS = 0xffffffff;
export const HOLE = 0xffffffff;

/** Extra devices of one index: the number of a device is 16 bits, 0 is the index itself. */
export const MAX_DEVICES = 0xffff;

/** A chunk is 2 ** n blocks; n has five bits. */
export const MAX_CHUNK_BITS = 31;

/** How an inode's data are found (bits 1 to 3 of i_format). */
export const LAYOUT = { plain: 0, inline: 2, chunks: 4 } as const;

/** Bits of the chunk format: entries of 8 bytes, which name a device. */
export const CHUNK_INDEXES = 0x20;

/** Types of directory entries. */
export const FILE_TYPE = { file: 1, directory: 2, char: 3, block: 4, fifo: 5, symlink: 7 } as const;

const MAGIC = 0xe0f5e1e2;
/** Inodes have times of their own. */
const COMPAT_MTIME = 0x2;
const INCOMPAT_CHUNKED_FILE = 0x4;
const INCOMPAT_DEVICE_TABLE = 0x8;

/** Where the metadata start: after the superblock and the slots of as many devices. */
export function metadataOffset(devices: number): number {
  const end = SUPERBLOCK_OFFSET + SUPERBLOCK_SIZE + devices * DEVICE_SLOT_SIZE;
  return Math.ceil(end / BLOCK_SIZE) * BLOCK_SIZE;
}

/**
 * What comes before the metadata: the superblock and the device table.
 * @param deviceBlocks size of each device, in blocks
 * @param blocks size of the index itself, in blocks
 */
export function encodeHead(
  { deviceBlocks, blocks, inodes, rootNid }: {
    deviceBlocks: readonly number[];
    blocks: number;
    inodes: number;
    rootNid: number;
  },
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(metadataOffset(deviceBlocks.length));
  const view = new DataView(bytes.buffer, SUPERBLOCK_OFFSET);
  view.setUint32(0, MAGIC, true);
  view.setUint32(8, COMPAT_MTIME, true);
  view.setUint8(12, BLOCK_BITS);
  view.setUint16(14, rootNid, true);
  view.setUint32(16, inodes, true);
  view.setUint32(36, blocks, true);
  view.setUint32(40, bytes.length / BLOCK_SIZE, true); // meta_blkaddr
  view.setUint32(80, INCOMPAT_CHUNKED_FILE | INCOMPAT_DEVICE_TABLE, true);
  view.setUint16(86, deviceBlocks.length, true);
  view.setUint16(88, (SUPERBLOCK_OFFSET + SUPERBLOCK_SIZE) / DEVICE_SLOT_SIZE, true);
  deviceBlocks.forEach((count, index) => {
    // the tag comes first, 64 bytes: it stays empty, because the devices are named when the index is mounted
    view.setUint32(SUPERBLOCK_SIZE + index * DEVICE_SLOT_SIZE + 64, count, true);
  });
  return bytes;
}

/** An inode's fixed part, in the extended form: 32-bit owners, times with nanoseconds. */
export interface InodeFields {
  readonly layout: number;
  /** In the units of i_xattr_icount, see xattrs.ts. */
  readonly xattrCount: number;
  /** Type and permission bits. */
  readonly mode: number;
  readonly size: number;
  /** i_u: a block number, a device number, or the format of the chunks. */
  readonly data: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since 1970, may be negative. */
  readonly mtime: number;
  readonly mtimeNanoseconds: number;
  readonly links: number;
}

/** struct erofs_inode_extended, at `offset`. */
export function encodeInode(view: DataView, offset: number, inode: InodeFields): void {
  view.setUint16(offset, 1 | inode.layout << 1, true);
  view.setUint16(offset + 2, inode.xattrCount, true);
  view.setUint16(offset + 4, inode.mode, true);
  setInt64(view, offset + 8, inode.size);
  view.setUint32(offset + 16, inode.data, true);
  view.setUint32(offset + 24, inode.uid, true);
  view.setUint32(offset + 28, inode.gid, true);
  setInt64(view, offset + 32, inode.mtime);
  view.setUint32(offset + 40, inode.mtimeNanoseconds, true);
  view.setUint32(offset + 44, inode.links, true);
}

/** Fields of an inode that become known after it was written. */
export const INODE_SIZE_FIELD = 8;
export const INODE_DATA_FIELD = 16;
export const INODE_LINKS_FIELD = 44;

/** A 64-bit integer that a double holds exactly; without BigInt, which is slow. */
export function setInt64(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, value, true); // modulo 2 ** 32
  view.setInt32(offset + 4, Math.floor(value / 2 ** 32), true);
}

/** struct erofs_inode_chunk_index, at `offset`. @param device 1 is the first of the device table, 0 the index itself */
export function encodeChunk(view: DataView, offset: number, device: number, block: number): void {
  view.setUint16(offset + 2, device, true);
  view.setUint32(offset + 4, block, true);
}
