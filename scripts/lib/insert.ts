/**
 * Puts the packs into the executable that `deno compile` has made of scripts/lib/launcher.ts.
 *
 *     deno run -A scripts/lib/insert.ts PACKS EXECUTABLE
 *
 * Not as files that are embedded (`--include`): all that deno compile appends is read into memory, and copied, before
 * anything else happens, which costs every start some 2 ms for each megabyte. So they lie between the program itself and
 * what was appended, where only the launcher looks: each pack's compiled code and text, then a table of places and members (JSON), and
 * then the table's size. What is appended is found from the file's end, by its size in the last eight bytes.
 */
const [folder, executable] = Deno.args as [string, string];

const program = await Deno.readFile(executable);
const word = (value: number | bigint) => {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true);
  return bytes;
};
const appended = Number(new DataView(program.buffer, program.length - 8).getBigUint64(0, true));
const start = program.length - appended;
if (!(appended > 16 && start > 0)) {
  throw new Error(`${executable} does not end as deno compile's programs do`);
}

const parts: Uint8Array<ArrayBuffer>[] = [];
const later: Record<string, readonly string[]> = JSON.parse(await Deno.readTextFile(`${folder}/later.json`));
const places: Record<string, readonly [number, number, number, readonly string[] | null]> = {};
let offset = start;
const names = [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) => name.endsWith(".txt"));
for (const name of names.sort()) {
  const pack = name.slice(0, -".txt".length);
  const code = await Deno.readFile(`${folder}/${pack}.cache`);
  const text = await Deno.readFile(`${folder}/${name}`);
  parts.push(code, text);
  places[pack] = [offset, code.length, text.length, later[pack] ?? null];
  offset += code.length + text.length;
}
const table = new TextEncoder().encode(JSON.stringify(places));
const whole = new Blob([
  program.subarray(0, start),
  ...parts,
  table,
  word(table.length),
  program.subarray(start),
]);
await Deno.writeFile(executable, whole.stream(), { mode: 0o755 });
