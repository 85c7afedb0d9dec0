import { digestOf } from "./digest_of.ts";

/**
 * What docker and OCI call a layer together with those below it (image-spec, config.md, Layer ChainID).
 * @param diffIds lowest first
 * @returns one id for each
 */
export function chainIds(diffIds: readonly string[]): string[] {
  const chain: string[] = [];
  for (const diffId of diffIds) {
    const below = chain.at(-1);
    chain.push(below === undefined ? diffId : digestOf(`${below} ${diffId}`));
  }
  return chain;
}
