import { UsageError } from "../../errors.ts";

/** A number as it is written, which may have more digits than JavaScript's numbers keep. */
class Numeral {
  constructor(readonly source: string) {}

  /** For messages. */
  toJSON(): number {
    return Number(this.source);
  }
}

/** JSON, with each number as it is written: masks have up to 64 bits. */
function parse(text: string): unknown {
  const reviver = (_key: string, value: unknown, context?: { source?: string }) =>
    typeof value === "number" ? new Numeral(context!.source!) : value;
  return JSON.parse(text, reviver as (key: string, value: unknown) => unknown);
}

/**
 * One value of a seccomp profile, which knows where in the file it is. What is not as it must be is an error: a rule that is
 * misread lets through what it should not. `null` is as good as nothing, since docker writes it for empty lists.
 */
export class ProfileValue {
  readonly #value: unknown;

  private constructor(value: unknown, readonly file: string, readonly place: string) {
    this.#value = value;
  }

  /** @throws {UsageError} when it is no JSON */
  static parse(text: string, file: string): ProfileValue {
    try {
      return new ProfileValue(parse(text), file, "");
    } catch (cause) {
      throw new UsageError({
        what: `cannot read the seccomp profile ${JSON.stringify(file)}`,
        why: cause instanceof Error ? cause.message : String(cause),
        hint: "it must be JSON in the form of docker's profiles (docs/seccomp.md)",
        cause,
      });
    }
  }

  get isThere(): boolean {
    return this.#value !== undefined && this.#value !== null;
  }

  wrong(why: string): never {
    const place = this.place === "" ? "" : `: ${this.place}`;
    throw new UsageError({
      what: `cannot use the seccomp profile ${JSON.stringify(this.file)}${place} ${why}`,
      hint: "docs/seccomp.md tells of the form",
    });
  }

  #shown(): string {
    return this.#value instanceof Numeral ? this.#value.source : JSON.stringify(this.#value) ?? "not there";
  }

  #mustBe(what: string): never {
    return this.wrong(`is ${this.#shown().slice(0, 80)}, and must be ${what}`);
  }

  /** The members of an object. @param names those that it may have; "comment" and "$schema" are passed over */
  object<Name extends string>(names: readonly Name[]): Readonly<Record<Name, ProfileValue>> {
    const value = this.#value;
    if (typeof value !== "object" || value === null || Array.isArray(value) || value instanceof Numeral) {
      return this.#mustBe("an object");
    }
    const members = value as Record<string, unknown>;
    const strange = Object.keys(members).find((name) =>
      !names.some((known) => known === name) && name !== "comment" && name !== "$schema"
    );
    if (strange !== undefined) {
      this.wrong(`has a member ${JSON.stringify(strange)}, and can have ${names.join(", ")}`);
    }
    const found = names.map((name) => {
      const member = Object.hasOwn(members, name) ? members[name] : undefined;
      return [name, new ProfileValue(member, this.file, this.place === "" ? name : `${this.place}.${name}`)];
    });
    return Object.fromEntries(found);
  }

  /** Empty when it is not there. */
  list(): ProfileValue[] {
    if (!this.isThere) return [];
    if (!Array.isArray(this.#value)) return this.#mustBe("a list");
    return this.#value.map((item, index) => new ProfileValue(item, this.file, `${this.place}[${index}]`));
  }

  text(): string {
    return typeof this.#value === "string" ? this.#value : this.#mustBe("a string");
  }

  oneOf<Choice extends string>(choices: readonly Choice[]): Choice {
    const found = choices.find((choice) => choice === this.#value);
    return found ?? this.#mustBe(`one of ${choices.join(", ")}`);
  }

  /** A whole number. @param largest that it can be */
  whole(largest: bigint): bigint {
    const value = this.#value;
    const number = value instanceof Numeral && /^(0|[1-9][0-9]{0,19})$/.test(value.source)
      ? BigInt(value.source)
      : undefined;
    return number !== undefined && number <= largest
      ? number
      : this.#mustBe(`a whole number of ${largest} at most`);
  }
}
