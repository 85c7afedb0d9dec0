import { DhowError } from "../../errors.ts";

/** A template of the user's is wrong, or does not fit what it is used on: in docker's words, which are Go's. */
export class TemplateError extends DhowError {
  override readonly name = "TemplateError";
  constructor(why: string) {
    super({ what: "template parsing error", why });
  }
}

/** Why a function of a template failed; the evaluator adds where. */
export class FunctionError extends Error {
  override readonly name = "FunctionError";
}
