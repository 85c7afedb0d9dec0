import { describeErrno, errnoOf } from "../../ffi/errno.ts";
import { DhowError } from "../errors.ts";

/**
 * Variables from a file, as docker reads it (docker/cli, opts/file.go): one a line, taken as it is, without quotes or comments after
 * it; lines that begin with # and empty ones are skipped; a name alone stands for the caller's value.
 * @param what how errors call the lines
 * @returns `NAME=value` or `NAME`, as --env takes them
 * @throws {DhowError} when the file cannot be read, or a line is no variable
 */
export function readEnvFile(path: string, what = "variables"): string[] {
  const wrong = (why: string, cause?: unknown) =>
    new DhowError({ what: `cannot use the ${what} in ${JSON.stringify(path)}`, why, cause });
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(Deno.readFileSync(path));
  } catch (error) {
    const errno = errnoOf(error);
    if (errno !== undefined) throw wrong(describeErrno(errno), error);
    if (error instanceof TypeError) throw wrong("it is not UTF-8", error);
    throw error;
  }
  return text.split("\n").flatMap((line, index) => {
    const entry = line.replace(/\r$/, "").trimStart();
    if (entry === "" || entry.startsWith("#")) return [];
    const name = entry.split("=", 1)[0]!;
    if (name === "") throw wrong(`line ${index + 1} has no name`);
    if (/\s/.test(name)) throw wrong(`name '${name}' contains whitespaces`);
    if (entry.includes("\0")) throw wrong(`line ${index + 1} has a NUL character`);
    return [entry];
  });
}
