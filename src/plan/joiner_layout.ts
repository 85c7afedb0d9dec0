/** What the joiner (joiner.ts), its keeper and dhow have to agree on: descriptors, words, the steps that are reported. */

/** Numbers of its descriptors. */
export const JOINER_FDS = {
  /** Where records go (reporting.ts). Closed when the program is executed. */
  report: 3,
  /** A pidfd of the container's first process. */
  container: 4,
  /** With a terminal, what dhow does with it: see TERMINAL. With a leash, its other end. */
  control: 5,
  master: 6,
  /** A pidfd of the program's process. */
  program: 7,
} as const;

/** Where the program's process has its `report`. */
export const LAST_REPORT_FD = 8;

/** Where the joiner itself is, until it is executed. */
export const JOINER_PROGRAM_FD = 9;

/** The steps of its report: what failed; and, without an errno, that the terminal can be taken from the keeper. */
export const JOIN_STEPS = {
  start: 1,
  joinCgroup: 2,
  joinNamespaces: 3,
  openNull: 4,
  openTerminal: 5,
  makeProcess: 6,
  takeTerminal: 7,
  changeDirectory: 8,
  setUser: 9,
  execute: 10,
  terminalReady: 11,
  confine: 12,
  adjustOomScore: 13,
} as const;
export type JoinStep = keyof typeof JOIN_STEPS;

/** What is written to the control pipe once dhow has the terminal's master. Its end hangs the terminal up. */
export const TERMINAL = { taken: "a", leftAlone: "d" } as const;
