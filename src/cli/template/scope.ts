/** The variables of a template while it is executed: a stack, of which blocks take off what they put on. */
import type { Value } from "./value.ts";

export class Scope {
  #variables: { readonly name: string; value: Value }[];

  /** @param root what `$` is */
  constructor(root: Value) {
    this.#variables = [{ name: "$", value: root }];
  }

  declare(name: string, value: Value): void {
    this.#variables.push({ name, value });
  }

  /** @returns whether there is such a variable */
  assign(name: string, value: Value): boolean {
    const variable = this.#variables.findLast((each) => each.name === name);
    if (variable === undefined) return false;
    variable.value = value;
    return true;
  }

  get(name: string): Value {
    return this.#variables.findLast((each) => each.name === name)?.value;
  }

  /** What is declared during the work is gone after it. */
  block<T>(work: () => T): T {
    const length = this.#variables.length;
    const result = work();
    this.#variables.length = length;
    return result;
  }
}
