/** Images for the tests of what is shown of images, made up. */
import type { ImageConfig } from "../../../../src/image/config.ts";

export const id = (letter: string) => `sha256:${letter.repeat(64)}`;

export interface Sample {
  readonly id: string;
  readonly config: ImageConfig;
  readonly configText: string;
  readonly tags: readonly string[];
  readonly digests: readonly string[];
  readonly size: number;
}

export interface SampleOptions {
  readonly created?: string;
  readonly labels?: unknown;
  readonly tags?: readonly string[];
  readonly digests?: readonly string[];
}

/** @param letter a hexadecimal digit: the image's id is 64 of them */
export function sample(
  letter: string,
  { created, labels, tags = [], digests = [] }: SampleOptions = {},
): Sample {
  const config: ImageConfig = {
    architecture: "amd64",
    os: "linux",
    ...(created === undefined ? {} : { created }),
    env: [],
    entrypoint: [],
    cmd: [],
    workingDir: "",
    user: "",
    exposedPorts: [],
    diffIds: [id("0")],
  };
  return {
    id: id(letter),
    config,
    configText: JSON.stringify({ created, config: { Labels: labels } }),
    tags,
    digests,
    size: 1_982_495,
  };
}
