/**
 * Go's text/template, as docker's `--format` takes it. Not on npm: what there is covers a small part of the language, or prints
 * maps as `[object Object]`.
 */
import { BUILTINS, type Functions } from "./builtins.ts";
import { DOCKER_FUNCTIONS } from "./docker_functions.ts";
import { execute, type ExecuteOptions } from "./evaluate.ts";
import { type ParsedTemplate, parseTemplate } from "./parser.ts";
import type { Value } from "./value.ts";

const USUAL: Functions = { ...BUILTINS, ...DOCKER_FUNCTIONS };

/** A template that can be used again and again. */
export class Template {
  readonly #parsed: ParsedTemplate;

  /** @throws {TemplateError} when it is malformed */
  constructor(readonly source: string) {
    this.#parsed = parseTemplate(source, new Set(Object.keys(USUAL)));
  }

  /**
   * @param functions instead of docker's own
   * @throws {TemplateError} when it does not fit the value
   */
  execute(
    value: Value,
    { functions, ...options }: Partial<ExecuteOptions> & { functions?: Functions } = {},
  ): string {
    return execute(this.#parsed, this.source, value, {
      missingKey: "default",
      ...options,
      functions: functions === undefined ? USUAL : { ...BUILTINS, ...functions },
    });
  }
}
