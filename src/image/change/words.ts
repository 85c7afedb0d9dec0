/** Words of a Dockerfile's instructions, as docker's parser and its shell lexer take them apart (docs: Dockerfile reference). */

/** A variable's value; undefined when there is none of that name. */
export type Variables = (name: string) => string | undefined;

/** Splits at blanks that are neither quoted nor escaped. Quotes and backslashes stay. */
export function splitWords(text: string): string[] {
  return text.match(/(?:[^\s'"\\]|\\[^]?|'[^']*(?:'|$)|"(?:[^"\\]|\\[^]?)*(?:"|$))+/g) ?? [];
}

/**
 * What a word stands for: variables replaced, quotes and backslashes taken away.
 * @throws {SyntaxError} for a quote or brace that is not closed, and for `${NAME:?WORD}` where there is no such variable
 */
export function expandWord(word: string, variables: Variables): string {
  const expansion = new Expansion(word, variables);
  return expansion.until(undefined);
}

/** Characters that a backslash takes the meaning from within double quotes. */
const ESCAPED_IN_QUOTES = '"$\\';

class Expansion {
  #at = 0;

  constructor(readonly text: string, readonly variables: Variables) {}

  /** Goes on to a character that ends this part, and past it; to the end of the text when there is none to wait for. */
  until(end: string | undefined): string {
    let result = "";
    while (this.#at < this.text.length) {
      const character = this.text[this.#at++]!;
      if (character === end) return result;
      if (character === "'" && end !== '"') result += this.#literal();
      else if (character === '"') result += this.until('"');
      else if (character === "$") result += this.#variable();
      else if (character === "\\") result += this.#escaped(end === '"');
      else result += character;
    }
    if (end !== undefined) throw new SyntaxError(`there is no ${end} to end what was begun`);
    return result;
  }

  #literal(): string {
    const end = this.text.indexOf("'", this.#at);
    if (end < 0) throw new SyntaxError("there is no ' to end what was begun");
    const text = this.text.slice(this.#at, end);
    this.#at = end + 1;
    return text;
  }

  #escaped(inQuotes: boolean): string {
    const next = this.text[this.#at];
    if (next === undefined) return inQuotes ? "\\" : "";
    this.#at++;
    return inQuotes && !ESCAPED_IN_QUOTES.includes(next) ? `\\${next}` : next;
  }

  /** `$NAME`, `${NAME}`, `${NAME:-WORD}` and its like; a dollar sign alone is one. */
  #variable(): string {
    if (this.text[this.#at] !== "{") {
      const name = this.#match(/[a-zA-Z_][a-zA-Z0-9_]*|[0-9]/y);
      return name === "" ? "$" : this.variables(name) ?? "";
    }
    this.#at++;
    const name = this.#match(/[a-zA-Z_][a-zA-Z0-9_]*|[0-9]+/y);
    const operator = this.#match(/:?[-+?]/y);
    if (name === "" || (operator === "" && this.text[this.#at] !== "}")) {
      throw new SyntaxError(`"\${" is not followed by what dhow knows: ${JSON.stringify(this.text)}`);
    }
    const word = this.until("}");
    const value = this.variables(name);
    // with the colon, an empty variable is as good as none
    const isSet = value !== undefined && !(operator.startsWith(":") && value === "");
    switch (operator.at(-1)) {
      case "-":
        return isSet ? value : word;
      case "+":
        return isSet ? word : "";
      case "?":
        if (!isSet) throw new SyntaxError(`${name}: ${word || "is not set"}`);
    }
    return value ?? "";
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.text)?.[0] ?? "";
    this.#at += found.length;
    return found;
  }
}
