/**
 * Writes, beside every pack, what V8 compiles it to: NAME.cache for NAME.txt.
 *
 *     code_cache flags               prints what V8 makes of its flags
 *     code_cache write FOLDER FLAGS  writes the caches, for a V8 with those flags
 *
 * V8 compiles a function when it is first called, and a cache holds what was compiled; --no-lazy makes it compile all. But
 * it takes a cache only from a V8 with the same flags, and dhow itself must not have that one: it would compile whole
 * scripts of Deno's as well. That flag changes nothing in what is compiled. So this program is compiled twice: with dhow's
 * flags, to say what V8 makes of them, and with --no-lazy, to write the caches, whose mark it then replaces. scripts/build
 * looks whether V8 takes the result.
 */
import { Script } from "node:vm";

/** Where the hash of the flags lies in a cache (V8's SerializedCodeData: magic, version, source, flags), in bytes. */
const FLAGS_AT = 12;

const [verb, folder, flags] = Deno.args as [string, string, string];
if (verb === "flags") {
  const cache = new Script("0").createCachedData();
  Deno.stdout.writeSync(new TextEncoder().encode(`${cache.readUInt32LE(FLAGS_AT)}\n`));
} else {
  for (const { name } of [...Deno.readDirSync(folder)]) {
    if (!name.endsWith(".txt")) continue;
    const pack = name.slice(0, -".txt".length);
    const script = new Script(Deno.readTextFileSync(`${folder}/${name}`), { filename: `dhow:${pack}` });
    const cache = script.createCachedData();
    cache.writeUInt32LE(Number(flags), FLAGS_AT);
    Deno.writeFileSync(`${folder}/${pack}.cache`, cache);
  }
}
