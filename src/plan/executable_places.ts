/**
 * Where a program may lie, as execvp(3) looks for it: by its path if the name has a slash, else in the folders of PATH.
 */
export function executablePlaces(program: string, env: readonly string[]): string[] {
  if (program.includes("/")) return [program];
  const path = env.find((entry) => entry.startsWith("PATH="))?.slice("PATH=".length) ?? "";
  return path.split(":").map((folder) => folder === "" ? `./${program}` : `${folder}/${program}`);
}
