import { AT_FDCWD, O_CLOEXEC, O_WRONLY } from "../../ffi/constants.ts";
import { libcCall } from "../../ffi/table.ts";
import { type Seccomp, SECCOMP_OPERATORS } from "../../src/plan/oci.ts";
import { returnValue } from "../../src/security/seccomp/actions.ts";

/** Its own names of architectures: AUDIT_ARCH_..., and x32's, which has none. */
const TOKENS: Readonly<Record<string, number>> = {
  SCMP_ARCH_X86_64: 0xc000003e,
  SCMP_ARCH_X32: 0x4000003e,
  SCMP_ARCH_X86: 0x40000003,
  SCMP_ARCH_AARCH64: 0xc00000b7,
  SCMP_ARCH_ARM: 0x40000028,
};

const SYMBOLS = {
  seccomp_init: { parameters: ["u32"], result: "pointer" },
  seccomp_release: { parameters: ["pointer"], result: "void" },
  seccomp_arch_add: { parameters: ["pointer", "u32"], result: "i32" },
  seccomp_arch_remove: { parameters: ["pointer", "u32"], result: "i32" },
  seccomp_rule_add_array: { parameters: ["pointer", "u32", "i32", "u32", "buffer"], result: "i32" },
  seccomp_export_bpf: { parameters: ["pointer", "i32"], result: "i32" },
  seccomp_syscall_resolve_name: { parameters: ["buffer"], result: "i32" },
  seccomp_syscall_resolve_name_arch: { parameters: ["u32", "buffer"], result: "i32" },
} as const;

/** The library that makes docker's filters, and comes with it; undefined where it is not installed. */
export class Libseccomp {
  static open(): Libseccomp | undefined {
    try {
      return new Libseccomp(Deno.dlopen("libseccomp.so.2", SYMBOLS));
    } catch {
      return undefined;
    }
  }

  private constructor(readonly library: Deno.DynamicLibrary<typeof SYMBOLS>) {}

  [Symbol.dispose](): void {
    this.library.close();
  }

  /** The number of a call; negative for one that it does not know, or that the architecture makes through another. */
  number(architecture: string, name: string): number {
    const text = new TextEncoder().encode(`${name}\0`);
    return this.library.symbols.seccomp_syscall_resolve_name_arch(TOKENS[architecture]!, text);
  }

  /** The filter that runc would have it make, without what runc puts before it. */
  compile({ defaultAction, defaultErrnoRet, architectures, syscalls }: Seccomp): Uint8Array {
    const { symbols } = this.library;
    const byDefault = returnValue(defaultAction, defaultErrnoRet);
    const context = symbols.seccomp_init(byDefault);
    const path = Deno.makeTempFileSync();
    try {
      for (const name of architectures) symbols.seccomp_arch_add(context, TOKENS[name]!);
      for (const { names, action, errnoRet, args } of syscalls) {
        const value = returnValue(action, errnoRet);
        const compared = new DataView(new ArrayBuffer(24 * args.length)); // struct scmp_arg_cmp
        args.forEach((condition, index) => {
          compared.setUint32(index * 24, condition.index, true);
          compared.setUint32(index * 24 + 4, SECCOMP_OPERATORS.indexOf(condition.op) + 1, true);
          compared.setBigUint64(index * 24 + 8, condition.value, true);
          compared.setBigUint64(index * 24 + 16, condition.valueTwo, true);
        });
        for (const name of names) {
          const number = symbols.seccomp_syscall_resolve_name(new TextEncoder().encode(`${name}\0`));
          if (number === -1 || value === byDefault) continue;
          const failure = symbols.seccomp_rule_add_array(
            context,
            value,
            number,
            args.length,
            new Uint8Array(compared.buffer),
          );
          if (failure !== 0) throw new Error(`libseccomp refuses a rule for ${name}: ${failure}`);
        }
      }
      const file = libcCall("openat", AT_FDCWD, path, O_WRONLY | O_CLOEXEC);
      const failure = symbols.seccomp_export_bpf(context, file);
      libcCall("close", file);
      if (failure !== 0) throw new Error(`libseccomp makes no filter: ${failure}`);
      return Deno.readFileSync(path);
    } finally {
      symbols.seccomp_release(context);
      Deno.removeSync(path);
    }
  }
}
