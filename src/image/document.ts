/**
 * An image's config beyond what dhow itself uses (config.ts): what is shown of it. What is not of the type that docker gives it
 * counts as absent, so that one odd image makes no list unusable.
 */

/** The members of a JSON object; none when it is something else. */
export class Document {
  readonly #members: Readonly<Record<string, unknown>>;

  constructor(value: unknown) {
    this.#members = isObject(value) ? value : {};
  }

  /** @param text JSON; anything else is an empty document */
  static parse(text: string): Document {
    try {
      return new Document(JSON.parse(text));
    } catch {
      return new Document(undefined);
    }
  }

  /** An own member: "constructor" and the like are no part of the document. */
  #at(key: string): unknown {
    return Object.hasOwn(this.#members, key) ? this.#members[key] : undefined;
  }

  /** As the JSON has them. */
  get members(): Readonly<Record<string, unknown>> {
    return this.#members;
  }

  keys(): string[] {
    return Object.keys(this.#members);
  }

  text(key: string): string {
    const value = this.#at(key);
    return typeof value === "string" ? value : "";
  }

  flag(key: string): boolean {
    return this.#at(key) === true;
  }

  /** A whole number. */
  integer(key: string): number | undefined {
    const value = this.#at(key);
    return Number.isInteger(value) ? value as number : undefined;
  }

  /** A list of strings; undefined when there is none, as for `null`. */
  texts(key: string): string[] | undefined {
    const value = this.#at(key);
    if (!Array.isArray(value)) return undefined;
    return value.every((item) => typeof item === "string") ? value : undefined;
  }

  list(key: string): Document[] {
    const value = this.#at(key);
    return Array.isArray(value) ? value.map((item) => new Document(item)) : [];
  }

  /** An object; undefined when there is none, as for `null`. */
  object(key: string): Document | undefined {
    const value = this.#at(key);
    return isObject(value) ? new Document(value) : undefined;
  }

  /** An object of strings; undefined when there is none. */
  textMap(key: string): Map<string, string> | undefined {
    const object = this.object(key);
    return object && new Map(object.keys().map((name) => [name, object.text(name)]));
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
