/**
 * What a standalone program (standalone.ts) has in place of libc: its start, system calls, and a few functions with which a table
 * can go to another entry and change words in memory. Like the walker's, the listings are what GNU `as` takes, the bytes beside
 * them what it makes; docs/table-walker.md tells how to check that.
 */
import { assemble, tableWalker } from "./machine_code.ts";

/** Where the code and the data lie in memory: fixed, so that the code can name addresses. Divisible by 64 KiB, the largest page. */
export const CODE_ADDRESS = 0x10000000;
export const DATA_ADDRESS = 0x20000000;

/** errno is the first word of the data; the table comes after it. */
export const TABLE_ADDRESS = DATA_ADDRESS + 64;

interface Listings {
  /** Its end is the start of the walker, which comes right after it. */
  readonly start: string;
  readonly functions: Readonly<Record<string, string>>;
}

/**
 * The walker calls a function with the registers of a C call, and keeps its entry in rbp. The two that jump change rbp behind its
 * back: it then writes their result into that entry, and goes on with the one after it.
 */
const X86_64: Listings = {
  start: `
  bf40000020            mov   edi, 0x20000040    // the table
  e809000000            call  walker
  89c7                  mov   edi, eax
  b8e7000000            mov   eax, 231           // exit_group
  0f05                  syscall`,
  functions: {
    // as libc's syscall(2), with a number and up to five arguments
    syscall: `
  4889f8                mov   rax, rdi
  4889f7                mov   rdi, rsi
  4889d6                mov   rsi, rdx
  4889ca                mov   rdx, rcx
  4d89c2                mov   r10, r8
  4d89c8                mov   r8, r9
  4531c9                xor   r9d, r9d
  0f05                  syscall
  483d00f0ffff          cmp   rax, -4096
  7701                  ja    .+3
  c3                    ret
  f7d8                  neg   eax
  89042500000020        mov   [0x20000000], eax  // errno
  83c8ff                or    eax, -1
  c3                    ret`,
    __errno_location: `
  b800000020            mov   eax, 0x20000000
  c3                    ret`,
    // a place to jump to
    label: `
  31c0                  xor   eax, eax
  c3                    ret`,
    // (value, limit, entry of a label): goes there if value < limit
    jump_if_less: `
  4839f7                cmp   rdi, rsi
  7d03                  jge   .+5
  4889d5                mov   rbp, rdx
  31c0                  xor   eax, eax
  c3                    ret`,
    // (value, other, entry of a label): goes there if they are equal
    jump_if_equal: `
  4839f7                cmp   rdi, rsi
  7503                  jne   .+5
  4889d5                mov   rbp, rdx
  31c0                  xor   eax, eax
  c3                    ret`,
    // (address, value): 64 bits
    store: `
  488937                mov   [rdi], rsi
  31c0                  xor   eax, eax
  c3                    ret`,
    add: `
  480137                add   [rdi], rsi
  31c0                  xor   eax, eax
  c3                    ret`,
    and: `
  482137                and   [rdi], rsi
  31c0                  xor   eax, eax
  c3                    ret`,
    // (to, from, size): bytes, the lowest first
    copy: `
  4889d1                mov   rcx, rdx
  f3a4                  rep movsb
  31c0                  xor   eax, eax
  c3                    ret`,
  },
};

/** The walker keeps its entry in x20. */
const ARM64: Listings = {
  start: `
  0000a4d2              movz  x0, #0x2000, lsl #16
  00000191              add   x0, x0, #0x40      // the table
  03000094              bl    walker
  c80b8052              mov   w8, #94            // exit_group
  010000d4              svc   #0`,
  functions: {
    syscall: `
  e80300aa              mov   x8, x0
  e00301aa              mov   x0, x1
  e10302aa              mov   x1, x2
  e20303aa              mov   x2, x3
  e30304aa              mov   x3, x4
  e40305aa              mov   x4, x5
  050080d2              mov   x5, #0
  010000d4              svc   #0
  1ffc3fb1              cmn   x0, #4095
  42000054              b.hs  .+8
  c0035fd6              ret
  e003004b              neg   w0, w0
  0900a4d2              movz  x9, #0x2000, lsl #16
  200100b9              str   w0, [x9]           // errno
  00008012              mov   w0, #-1
  c0035fd6              ret`,
    __errno_location: `
  0000a4d2              movz  x0, #0x2000, lsl #16
  c0035fd6              ret`,
    label: `
  00008052              mov   w0, #0
  c0035fd6              ret`,
    jump_if_less: `
  1f0001eb              cmp   x0, x1
  4a000054              b.ge  .+8
  f40302aa              mov   x20, x2
  00008052              mov   w0, #0
  c0035fd6              ret`,
    jump_if_equal: `
  1f0001eb              cmp   x0, x1
  41000054              b.ne  .+8
  f40302aa              mov   x20, x2
  00008052              mov   w0, #0
  c0035fd6              ret`,
    store: `
  010000f9              str   x1, [x0]
  00008052              mov   w0, #0
  c0035fd6              ret`,
    add: `
  090040f9              ldr   x9, [x0]
  2901018b              add   x9, x9, x1
  090000f9              str   x9, [x0]
  00008052              mov   w0, #0
  c0035fd6              ret`,
    and: `
  090040f9              ldr   x9, [x0]
  2901018a              and   x9, x9, x1
  090000f9              str   x9, [x0]
  00008052              mov   w0, #0
  c0035fd6              ret`,
    copy: `
  a20000b4              cbz   x2, .+20
  29144038              ldrb  w9, [x1], #1
  09140038              strb  w9, [x0], #1
  420400d1              sub   x2, x2, #1
  a2ffffb5              cbnz  x2, .-12
  00008052              mov   w0, #0
  c0035fd6              ret`,
  },
};

export interface StandaloneCode {
  /** To be at CODE_ADDRESS; the program starts with the first byte. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Addresses of the functions. */
  readonly functions: ReadonlyMap<string, number>;
}

/** @throws {Error} on a CPU that there is no code for */
export function standaloneCode(arch: string = Deno.build.arch): StandaloneCode {
  const walker = tableWalker(arch);
  const { start, functions } = arch === "aarch64" ? ARM64 : X86_64;
  const parts = [assemble(start), walker];
  const addresses = new Map<string, number>();
  let address = CODE_ADDRESS + parts.reduce((sum, part) => sum + part.length, 0);
  for (const [name, listing] of Object.entries(functions)) {
    // instructions of arm64 lie at multiples of 4; those before are as long
    const part = assemble(listing);
    addresses.set(name, address);
    parts.push(part);
    address += part.length;
  }
  const bytes = new Uint8Array(address - CODE_ADDRESS);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return { bytes, functions: addresses };
}
