/** A struct pollfd (poll(2)) as a word of 64 bits, as standalone programs handle it. */
import { POLLERR, POLLIN } from "../../ffi/constants.ts";

const EVENTS = 2 ** 32;

/** A word that is not less than this tells that something has come: what has lies above the descriptor and what is waited for. */
export const HAS_COME = 2 ** 48;

/** A word that is not less than this tells that the descriptor is of no more use: POLLERR, POLLHUP or POLLNVAL. */
export const IS_BROKEN = HAS_COME * POLLERR;

/** Waits until a descriptor can be read, or its other end is closed. */
export const waitFor = (fd: number) => fd + EVENTS * POLLIN;

/** Waits for nothing: -1 for the descriptor. */
export const CLOSED = 0xffffffff + EVENTS * POLLIN;
