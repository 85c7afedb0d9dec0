/**
 * The table walker: the one piece of machine code in dhow. It calls libc functions one after another, as a table in
 * memory says, and stops at the first that fails. It exists because no JavaScript can run in a forked child (V8 does
 * not survive fork) and because errno must be read in the same native step as the call that set it.
 *
 *     int walk(struct table *t)        // 0: every entry succeeded; 1: t->failed names the entry that did not
 *
 *     struct table { struct entry *failed; u64 unused; int *(*errno_location)(void); u64 unused; struct entry entries[]; }
 *     struct entry {                   // 96 bytes; an entry whose `function` is 0 ends the table
 *       u64 function;                  // +0   address of a libc function
 *       u64 arguments[6];              // +8
 *       u64 indirect;                  // +56  bit i set: arguments[i] is the address of the value (an earlier result)
 *       i64 least;                     // +64  the call failed if its result (an int) is less than this
 *       u64 tolerated;                 // +72  bit e set: failing with errno e (0..63) is no failure
 *       i64 result;                    // +80  out
 *       u64 errno;                     // +88  out, of a call that failed; 0 when its result was not negative
 *     };
 *
 * The walker keeps nothing but callee-saved registers and the stack, so it is safe in a child of clone(2), which
 * has one thread, and in its memory locks of other threads that it must not wait for.
 */

/** Offsets and sizes of the two structs above, in bytes. */
export const TABLE_HEADER_SIZE = 32;
export const TABLE_FAILED = 0;
export const TABLE_ERRNO_LOCATION = 16;
export const ENTRY_SIZE = 96;
export const ENTRY_ARGUMENTS = 8;
export const ENTRY_INDIRECT = 56;
export const ENTRY_LEAST = 64;
export const ENTRY_TOLERATED = 72;
export const ENTRY_RESULT = 80;
export const ENTRY_ERRNO = 88;

/** System V AMD64 ABI. Checked on x86-64 by tests/unit/ffi. */
const X86_64 = `
  f30f1efa              endbr64
  55                    push  rbp
  53                    push  rbx
  4154                  push  r12               // keeps the stack 16-byte aligned for the calls
  4889fb                mov   rbx, rdi          // rbx = table
  488d6f20              lea   rbp, [rdi+32]     // rbp = entry
  48837d0000       next: cmp  qword ptr [rbp], 0
  0f8486000000          je    done
  8b4538                mov   eax, [rbp+56]     // which arguments are indirect
  488b7d08              mov   rdi, [rbp+8]
  a801 7403 488b3f      test  al, 1;  jz .+5;  mov rdi, [rdi]
  488b7510              mov   rsi, [rbp+16]
  a802 7403 488b36      test  al, 2;  jz .+5;  mov rsi, [rsi]
  488b5518              mov   rdx, [rbp+24]
  a804 7403 488b12      test  al, 4;  jz .+5;  mov rdx, [rdx]
  488b4d20              mov   rcx, [rbp+32]
  a808 7403 488b09      test  al, 8;  jz .+5;  mov rcx, [rcx]
  4c8b4528              mov   r8, [rbp+40]
  a810 7403 4d8b00      test  al, 16; jz .+5;  mov r8, [r8]
  4c8b4d30              mov   r9, [rbp+48]
  a820 7403 4d8b09      test  al, 32; jz .+5;  mov r9, [r9]
  31c0                  xor   eax, eax          // no vector registers, for variadic functions
  ff5500                call  [rbp]
  4863c0                movsxd rax, eax         // every function in a table returns an int, or a count below 2 GiB
  48894550              mov   [rbp+80], rax
  483b4540              cmp   rax, [rbp+64]
  7d26                  jge   advance
  31c9                  xor   ecx, ecx
  4885c0                test  rax, rax
  7905                  jns   .+7               // a result that is too small, but no error: errno stays 0
  ff5310                call  [rbx+16]          // __errno_location()
  8b08                  mov   ecx, [rax]
  48894d58              mov   [rbp+88], rcx
  83f93f                cmp   ecx, 63
  7707                  ja    failed
  480fa34d48            bt    qword ptr [rbp+72], rcx
  720a                  jc    advance
  48892b        failed: mov   [rbx], rbp
  b801000000            mov   eax, 1
  eb0b                  jmp   out
  4883c560     advance: add   rbp, 96
  e96fffffff            jmp   next
  31c0            done: xor   eax, eax
  415c             out: pop   r12
  5b                    pop   rbx
  5d                    pop   rbp
  c3                    ret`;

/**
 * AAPCS64, which passes variadic arguments as it does named ones. Checked by tests/unit/ffi on an emulated CPU under an
 * arm64 kernel (docs/table-walker.md), not yet on a real one.
 */
const ARM64 = `
  5f2403d5              bti   c
  fd7bbea9              stp   x29, x30, [sp, #-32]!
  fd030091              mov   x29, sp
  f35301a9              stp   x19, x20, [sp, #16]
  f30300aa              mov   x19, x0         // x19 = table
  14800091              add   x20, x0, #32    // x20 = entry
  880240f9        next: ldr   x8, [x20]
  e80400b4              cbz   x8, done
  893a40b9              ldr   w9, [x20, #56]  // which arguments are indirect
  808640a9              ldp   x0, x1, [x20, #8]
  828e41a9              ldp   x2, x3, [x20, #24]
  849642a9              ldp   x4, x5, [x20, #40]
  49000036 000040f9     tbz   w9, #0, .+8;  ldr x0, [x0]
  49000836 210040f9     tbz   w9, #1, .+8;  ldr x1, [x1]
  49001036 420040f9     tbz   w9, #2, .+8;  ldr x2, [x2]
  49001836 630040f9     tbz   w9, #3, .+8;  ldr x3, [x3]
  49002036 840040f9     tbz   w9, #4, .+8;  ldr x4, [x4]
  49002836 a50040f9     tbz   w9, #5, .+8;  ldr x5, [x5]
  00013fd6              blr   x8
  007c4093              sxtw  x0, w0          // every function in a table returns an int, or a count below 2 GiB
  802a00f9              str   x0, [x20, #80]
  882240f9              ldr   x8, [x20, #64]
  1f0008eb              cmp   x0, x8
  ea010054              b.ge  advance
  08008052              mov   w8, #0
  8000f8b6              tbz   x0, #63, .+16   // a result that is too small, but no error: errno stays 0
  680a40f9              ldr   x8, [x19, #16]  // __errno_location()
  00013fd6              blr   x8
  080040b9              ldr   w8, [x0]
  882e00f9              str   x8, [x20, #88]
  1ffd0071              cmp   w8, #63
  88000054              b.hi  failed
  892640f9              ldr   x9, [x20, #72]
  2925c89a              lsr   x9, x9, x8
  89000037              tbnz  w9, #0, advance
  740200f9      failed: str   x20, [x19]
  20008052              mov   w0, #1
  04000014              b     out
  94820191     advance: add   x20, x20, #96
  d9ffff17              b     next
  00008052        done: mov   w0, #0
  f35341a9         out: ldp   x19, x20, [sp, #16]
  fd7bc2a8              ldp   x29, x30, [sp], #32
  c0035fd6              ret`;

/**
 * The bytes of a listing: on each line, the groups of hexadecimal digits up to the first run of two spaces.
 */
export function assemble(listing: string): Uint8Array<ArrayBuffer> {
  const digits = listing.trim().split("\n").map((line) => line.trim().split("  ")[0]).join("").replaceAll(
    " ",
    "",
  );
  const bytes = new Uint8Array(digits.length / 2);
  for (let at = 0; at < bytes.length; at++) bytes[at] = parseInt(digits.slice(2 * at, 2 * at + 2), 16);
  return bytes;
}

/** Assembled once: a standalone program has it as well. */
const walkers: { x86?: Uint8Array<ArrayBuffer>; arm?: Uint8Array<ArrayBuffer> } = {};

/**
 * The walker for the CPU that dhow runs on.
 * @throws {Error} on a CPU that dhow has no walker for.
 */
export function tableWalker(arch: string = Deno.build.arch): Uint8Array<ArrayBuffer> {
  if (arch === "x86_64") return walkers.x86 ??= assemble(X86_64);
  if (arch === "aarch64") return walkers.arm ??= assemble(ARM64);
  throw new Error(`dhow runs on x86-64 and arm64, not on ${arch}`);
}
