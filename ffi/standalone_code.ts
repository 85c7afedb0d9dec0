/**
 * What a standalone program (standalone.ts) has in place of libc and of the walker of machine_code.ts: a walker of its own, a function that
 * makes system calls, and a few with which a table can go to another entry and change words and bytes in memory. As in machine_code.ts,
 * the listings are what GNU `as` takes, the bytes beside them what it makes; docs/table-walker.md tells how to check that.
 *
 *     struct entry {                   // 56 bytes; an entry whose `function` is 0 ends the program with code 0
 *       u32 function;                  // +0   its address
 *       u8 indirect;                   // +4   bit i set: arguments[i] is the address of the value, of 64 bits
 *       i16 least;                     // +6   the call failed if its result is less than this
 *       i32 arguments[6];              // +8   with their signs
 *       u64 tolerated;                 // +32  bit e set: failing with errno e (0..63) is no failure; any other ends the program with code 1
 *       i64 result;                    // +40  out
 *       u64 errno;                     // +48  out, of a call that failed; 0 when its result was not negative
 *     };
 *
 * All of a program lies below 2 GiB, so that addresses are short: many such programs stay as long as their containers do, and each entry
 * that is gone through is a part of a page that is theirs alone. What machine_code.ts has would take 96 bytes.
 */
import { assemble } from "./machine_code.ts";

/** Where the code and the data lie in memory: fixed, so that the code can name addresses. Divisible by 64 KiB, the largest page. */
export const CODE_ADDRESS = 0x10000000;
export const DATA_ADDRESS = 0x20000000;

/** errno is the first word of the data; the table comes after it. */
export const TABLE_ADDRESS = DATA_ADDRESS + 64;

/** Offsets and size of an entry, in bytes. */
export const ENTRY = {
  indirect: 4,
  least: 6,
  arguments: 8,
  tolerated: 32,
  result: 40,
  errno: 48,
  size: 56,
} as const;

interface Listings {
  /** The program starts with it, and ends in it. */
  readonly walker: string;
  readonly functions: Readonly<Record<string, string>>;
}

/**
 * The walker calls a function with the registers of a C call, and keeps its entry in rbp. The two that jump change rbp behind its
 * back: it then writes their result into that entry, and goes on with the one after it.
 */
const X86_64: Listings = {
  walker: `
  bd40000020                 mov   ebp, 0x20000040
  8b4500               next: mov   eax, [rbp]
  85c0                       test  eax, eax
  0f8494000000               je    done
  440fb65504                 movzx r10d, byte ptr [rbp+4]  // which arguments are indirect
  48637d08                   movsxd rdi, dword ptr [rbp+8]
  41f6c201 7403 488b3f           test r10b, 1; jz .+5; mov rdi, [rdi]
  4863750c                   movsxd rsi, dword ptr [rbp+12]
  41f6c202 7403 488b36           test r10b, 2; jz .+5; mov rsi, [rsi]
  48635510                   movsxd rdx, dword ptr [rbp+16]
  41f6c204 7403 488b12           test r10b, 4; jz .+5; mov rdx, [rdx]
  48634d14                   movsxd rcx, dword ptr [rbp+20]
  41f6c208 7403 488b09           test r10b, 8; jz .+5; mov rcx, [rcx]
  4c634518                   movsxd r8, dword ptr [rbp+24]
  41f6c210 7403 4d8b00           test r10b, 16; jz .+5; mov r8, [r8]
  4c634d1c                   movsxd r9, dword ptr [rbp+28]
  41f6c220 7403 4d8b09           test r10b, 32; jz .+5; mov r9, [r9]
  ffd0                       call  rax
  4863c0                     movsxd rax, eax          // every function returns an int, or a count below 2 GiB
  48894528                   mov   [rbp+40], rax
  480fbf4d06                 movsx rcx, word ptr [rbp+6]
  4839c8                     cmp   rax, rcx
  7d25                       jge   advance
  31c9                       xor   ecx, ecx
  4885c0                     test  rax, rax
  7907                       jns   .+9
  8b0c2500000020             mov   ecx, [0x20000000]
  48894d30                   mov   [rbp+48], rcx
  83f93f                     cmp   ecx, 63
  7707                       ja    failed
  480fa34d20                 bt    qword ptr [rbp+32], rcx
  7207                       jc    advance
  bf01000000         failed: mov   edi, 1
  eb0b                       jmp   out
  4883c538          advance: add   rbp, 56
  e961ffffff                 jmp   next
  31ff                 done: xor   edi, edi
  b8e7000000            out: mov   eax, 231
  0f05                       syscall`,
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
  walker: `
  1400a4d2                   movz  x20, #0x2000, lsl #16  // the first entry
  94020191                   add   x20, x20, #0x40
  880240b9             next: ldr   w8, [x20]
  a8040034                   cbz   w8, done
  89124039                   ldrb  w9, [x20, #4]      // which arguments are indirect
  80064169                   ldpsw x0, x1, [x20, #8]
  820e4269                   ldpsw x2, x3, [x20, #16]
  84164369                   ldpsw x4, x5, [x20, #24]
  49000036 000040f9           tbz w9, #0, .+8; ldr x0, [x0]
  49000836 210040f9           tbz w9, #1, .+8; ldr x1, [x1]
  49001036 420040f9           tbz w9, #2, .+8; ldr x2, [x2]
  49001836 630040f9           tbz w9, #3, .+8; ldr x3, [x3]
  49002036 840040f9           tbz w9, #4, .+8; ldr x4, [x4]
  49002836 a50040f9           tbz w9, #5, .+8; ldr x5, [x5]
  00013fd6                   blr   x8
  007c4093                   sxtw  x0, w0             // every function returns an int, or a count below 2 GiB
  801600f9                   str   x0, [x20, #40]
  880e8079                   ldrsh x8, [x20, #6]
  1f0008eb                   cmp   x0, x8
  aa010054                   b.ge  advance
  08008052                   mov   w8, #0
  6000f8b6                   tbz   x0, #63, .+12
  0900a4d2                   movz  x9, #0x2000, lsl #16
  280140b9                   ldr   w8, [x9]
  881a00f9                   str   x8, [x20, #48]
  1ffd0071                   cmp   w8, #63
  88000054                   b.hi  failed
  891240f9                   ldr   x9, [x20, #32]
  2925c89a                   lsr   x9, x9, x8
  69000037                   tbnz  w9, #0, advance
  20008052           failed: mov   w0, #1
  04000014                   b     out
  94e20091          advance: add   x20, x20, #56
  dbffff17                   b     next
  00008052             done: mov   w0, #0
  c80b8052              out: mov   w8, #94
  010000d4                   svc   #0`,
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
  const listings = { x86_64: X86_64, aarch64: ARM64 }[arch];
  if (listings === undefined) throw new Error(`there are no standalone programs for ${arch}`);
  const parts = [assemble(listings.walker)];
  const addresses = new Map<string, number>();
  let address = CODE_ADDRESS + parts[0]!.length;
  for (const [name, listing] of Object.entries(listings.functions)) {
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
