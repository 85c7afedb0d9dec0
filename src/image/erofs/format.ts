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

/** What an inode says of the file itself: owner and time. */
export interface Attributes {
  readonly uid: number;
  readonly gid: number;
  /** Seconds since 1970, may be negative. */
  readonly mtime: number;
  readonly mtimeNanoseconds: number;
}

/**
 * Writes a struct erofs_inode_extended (32-bit owners, times with nanoseconds) with one link.
 * @param words of the metadata; like the format itself little-endian, as is every machine that dhow runs on
 * @param offset in bytes, a multiple of 4
 * @param layout one of LAYOUT
 * @param xattrCount in the units of i_xattr_icount, see xattrs.ts
 * @param mode type and permission bits
 * @param data i_u: a block number, a device number, or the format of the chunks
 */
export function encodeInode(
  words: Uint32Array,
  offset: number,
  layout: number,
  xattrCount: number,
  mode: number,
  size: number,
  data: number,
  attributes: Attributes,
): void {
  const at = offset / 4;
  words[at] = 1 | layout << 1 | xattrCount << 16;
  words[at + 1] = mode;
  setInt64(words, offset + INODE_SIZE_FIELD, size);
  words[at + INODE_DATA_FIELD / 4] = data;
  words[at + 6] = attributes.uid;
  words[at + 7] = attributes.gid;
  setInt64(words, offset + 32, attributes.mtime);
  words[at + 10] = attributes.mtimeNanoseconds;
  words[at + INODE_LINKS_FIELD / 4] = 1;
}

/** Fields of an inode that become known after it was written. */
export const INODE_SIZE_FIELD = 8;
export const INODE_DATA_FIELD = 16;
export const INODE_LINKS_FIELD = 44;

/** Writes a 64-bit integer that a double holds exactly. @param offset in bytes, a multiple of 4 */
export function setInt64(words: Uint32Array, offset: number, value: number): void {
  // storing into the array takes a number modulo 2 ** 32
  words[offset / 4] = value;
  words[offset / 4 + 1] = Math.floor(value / 2 ** 32);
}

/**
 * Writes a struct erofs_inode_chunk_index.
 * @param offset in bytes, a multiple of 4
 * @param device 1 is the first of the device table, 0 the index itself
 */
export function encodeChunk(words: Uint32Array, offset: number, device: number, block: number): void {
  words[offset / 4] = device << 16;
  words[offset / 4 + 1] = block;
}
