import { HostError, UsageError } from "../errors.ts";

/**
 * The variables that a file lists, as docker reads it: each line is `NAME=VALUE`, or a `NAME` that is the caller's; spaces before
 * it are left out; what begins with `#` is a comment.
 * @throws {DhowError} when it cannot be read, or a line is none of that
 */
export function readEnvFile(path: string): string[] {
  return readLines(path).flatMap((line, index) => {
    const text = line.trimStart();
    if (text === "" || text.startsWith("#")) return [];
    const wrong = (why: string) =>
      new UsageError({
        what: `cannot use --env-file ${JSON.stringify(path)}`,
        why: `line ${index + 1} ${why}`,
      });
    const name = text.split("=", 1)[0] ?? "";
    if (name === "") throw wrong("has no name before its =");
    if (/\s/.test(name)) throw wrong("has a name with spaces in it");
    if (text.includes("\0")) throw wrong("has a zero byte");
    return [text];
  });
}

function readLines(path: string): string[] {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(Deno.readFileSync(path));
    return text.split(/\r?\n/);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new HostError({ what: `cannot read --env-file ${JSON.stringify(path)}`, why, cause: error });
  }
}
