/** What the monitor (monitor.ts) and the rest of dhow have to agree on: descriptors, words, files. */

/** Numbers of the monitor's descriptors. */
export const MONITOR_FDS = {
  container: 3,
  /** What the container writes: its standard output, or the master of its terminal; and its standard error. */
  output: 4,
  errors: 5,
  log: 6,
  exit: 7,
  control: 8,
  /** What the container reads. */
  input: 9,
  /** A byte for each log that whoever reads it from the start has opened. */
  reader: 10,
} as const;
export type MonitorSlot = keyof typeof MONITOR_FDS;

/** The monitor itself, until it is executed. */
export const MONITOR_PROGRAM_FD = 11;

/** What is written to the control pipe. */
export const CONTROL = { begin: "b", closeInput: "c" } as const;

/** Streams, as the log's records name them. */
export const STREAMS = { output: 1, errors: 2 } as const;

/**
 * Before each piece of output in the log: seconds and nanoseconds since 1970, the stream, and the bytes that follow, as words of 64
 * bits.
 */
export const LOG_HEADER = 32;

/** What the exit file has: seconds and nanoseconds since 1970, bytes of the log, and the siginfo_t of waitid(2). */
export const EXIT_TIME = 0;
export const EXIT_LOG_SIZE = 16;
export const EXIT_SIGINFO = 24;
const SIGINFO_SIZE = 128;
export const EXIT_SIZE = EXIT_SIGINFO + SIGINFO_SIZE;
