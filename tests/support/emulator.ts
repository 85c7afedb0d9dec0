import { skip } from "./system_test.ts";

const emulatorOf = (arch: string) => `/usr/bin/qemu-${arch}-static`;

/** What starts a program of another CPU; undefined when that is not installed. */
function emulator(arch: string): string[] | undefined {
  if (arch === Deno.build.arch) return [];
  const path = emulatorOf(arch);
  try {
    Deno.statSync(path);
    return [path];
  } catch {
    return undefined;
  }
}

/** A test of programs on each CPU that can be tried here. */
export function eachCpu(
  name: string,
  test: (arch: string, emulator: readonly string[]) => void | Promise<void>,
): void {
  for (const arch of ["x86_64", "aarch64"]) {
    const prefix = emulator(arch);
    Deno.test(`${arch}: ${name}`, async () => {
      if (prefix === undefined) return skip(`${arch}: ${name}`, `needs ${emulatorOf(arch)}`);
      await test(arch, prefix);
    });
  }
}
