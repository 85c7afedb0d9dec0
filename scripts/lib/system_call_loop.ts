/**
 * Writes a program for x86-64 that makes one system call again and again, and prints what CPU time its thread had before and
 * after: two struct timespec. For scripts/bench.
 *
 *   system_call_loop.ts FILE NUMBER ARGUMENT COUNT
 */
const [file = "", number, argument, count] = Deno.args;

const u32 = (value: unknown) => [...new Uint8Array(Uint32Array.of(Number(value)).buffer)];
const u64 = (value: number) => [...new Uint8Array(BigUint64Array.of(BigInt(value)).buffer)];

const SYSCALL = [0x0f, 0x05];
const eax = (value: unknown) => [0xb8, ...u32(value)];
const edi = (value: unknown) => [0xbf, ...u32(value)];
const edx = (value: unknown) => [0xba, ...u32(value)];
/** lea rsi, [rsp + offset] */
const rsiOnStack = (offset: number) => [0x48, 0x8d, 0x74, 0x24, offset];

const [WRITE, EXIT, CLOCK_GETTIME] = [1, 60, 228];
const CLOCK_THREAD_CPUTIME_ID = 3;
const readClock = (offset: number) => [
  ...eax(CLOCK_GETTIME),
  ...edi(CLOCK_THREAD_CPUTIME_ID),
  ...rsiOnStack(offset),
  ...SYSCALL,
];
const call = [...eax(number), ...edi(argument), ...SYSCALL];
const decrement = [0x48, 0xff, 0xcb]; // dec rbx
const back = [0x75, 256 - (call.length + decrement.length + 2)]; // jnz
const code = [
  ...[0x48, 0x83, 0xec, 64], // sub rsp, 64
  ...readClock(0),
  ...[0xbb, ...u32(count)], // mov ebx, count
  ...call,
  ...decrement,
  ...back,
  ...readClock(16),
  ...eax(WRITE),
  ...edi(1),
  ...rsiOnStack(0),
  ...edx(32),
  ...SYSCALL,
  ...eax(EXIT),
  ...edi(0),
  ...SYSCALL,
];

// elf(5): a header of 64 bytes, one segment of 56, and the code
const BASE = 0x400000;
const HEADERS = 64 + 56;
const size = HEADERS + code.length;
const elf = [
  ...[0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0],
  ...[2, 0, 62, 0, ...u32(1)], // ET_EXEC, EM_X86_64
  ...u64(BASE + HEADERS),
  ...u64(64),
  ...u64(0),
  ...[...u32(0), 64, 0, 56, 0, 1, 0, 64, 0, 0, 0, 0, 0],
  ...[...u32(1), ...u32(5)], // PT_LOAD, to be read and executed
  ...[0, BASE, BASE, size, size, 4096].flatMap(u64),
];
Deno.writeFileSync(file, Uint8Array.from([...elf, ...code]), { mode: 0o755 });
