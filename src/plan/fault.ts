/**
 * Fault injection for the crash tests. `DHOW_FAULT=kill-after:N` makes dhow kill itself (SIGKILL) once its N-th step is
 * done; `DHOW_FAULT=kill-child-step:N` makes the container's first process stop after the N-th call of its table, and
 * dhow kill itself then.
 */
const [kind, count] = (Deno.env.get("DHOW_FAULT") ?? "").split(":");
let done = 0;

/** To be called after each step that changes something outside of this process. */
export function stepDone(): void {
  done++;
  if (kind === "kill-after" && done === Number(count)) killSelf();
}

/** Whether the steps must be done one by one. */
export function stopsBetweenSteps(): boolean {
  return kind === "kill-after";
}

/** After how many calls the child must stop; undefined when it need not. */
export function childStopsAfter(): number | undefined {
  return kind === "kill-child-step" ? Number(count) : undefined;
}

/** The fault for the dhow that a monitor or a sleeper becomes, from `DHOW_FAULT_LATER`: a variable of its environment. */
export function laterFault(): string[] {
  const fault = Deno.env.get("DHOW_FAULT_LATER");
  return fault === undefined ? [] : [`DHOW_FAULT=${fault}`];
}

export function killSelf(): never {
  Deno.kill(Deno.pid, "SIGKILL");
  throw new Error("SIGKILL did not end this process");
}
