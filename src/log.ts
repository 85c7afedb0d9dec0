import loglevel from "loglevel";

/**
 * What dhow says beside its output, on standard error: warnings always, details with --debug.
 */
export const log = loglevel.getLogger("dhow");

log.methodFactory = (level) => (...messages: unknown[]) => {
  const prefix = level === "warn"
    ? "warning: "
    : level === "debug"
    ? `[${performance.now().toFixed(1)} ms] `
    : "";
  const text = messages.map(String).join(" ");
  Deno.stderr.writeSync(new TextEncoder().encode(`dhow: ${prefix}${text}\n`));
};
log.setLevel("warn", false);

/** @param debug whether --debug was given */
export function configureLog(debug: boolean): void {
  log.setLevel(debug ? "debug" : "info", false);
}
