/** Go's text/template, node.go: what a template consists of. */
import type { Value } from "./value.ts";

interface At {
  /** Where it begins in the template, in UTF-16 units. */
  readonly at: number;
}

export type Operand =
  | (At & { readonly kind: "identifier"; readonly name: string })
  | (At & { readonly kind: "field"; readonly names: readonly string[] })
  | (At & { readonly kind: "variable"; readonly names: readonly string[] })
  | (At & { readonly kind: "chain"; readonly of: Operand; readonly names: readonly string[] })
  | (At & { readonly kind: "dot" })
  | (At & { readonly kind: "nil" })
  | (At & { readonly kind: "literal"; readonly value: Value; readonly source: string })
  | Pipeline;

export interface Command extends At {
  readonly kind: "command";
  readonly operands: readonly Operand[];
}

export interface Pipeline extends At {
  readonly kind: "pipeline";
  readonly variables: readonly string[];
  /** `=`, not `:=`. */
  readonly assigns: boolean;
  readonly commands: readonly Command[];
}

export interface Branch extends At {
  readonly kind: "if" | "range" | "with";
  readonly pipeline: Pipeline;
  readonly body: readonly Node[];
  readonly otherwise: readonly Node[] | undefined;
}

export type Node =
  | (At & { readonly kind: "text"; readonly text: string })
  | (At & { readonly kind: "action"; readonly pipeline: Pipeline })
  | (At & { readonly kind: "break" | "continue" })
  | (At & { readonly kind: "template"; readonly name: string; readonly pipeline: Pipeline | undefined })
  | Branch;

/** An operand, a command or a pipeline, as errors quote it. */
export function sourceOf(node: Operand | Command | Node): string {
  switch (node.kind) {
    case "identifier":
      return node.name;
    case "field":
      return node.names.map((name) => `.${name}`).join("");
    case "variable":
      return node.names.join(".");
    case "chain": {
      const of = node.of.kind === "pipeline" ? `(${sourceOf(node.of)})` : sourceOf(node.of);
      return of + node.names.map((name) => `.${name}`).join("");
    }
    case "dot":
      return ".";
    case "nil":
      return "nil";
    case "literal":
      return node.source;
    case "command":
      return node.operands.map((operand) =>
        operand.kind === "pipeline" ? `(${sourceOf(operand)})` : sourceOf(operand)
      )
        .join(" ");
    case "pipeline": {
      const names = node.variables.join(", ");
      const before = names === "" ? "" : `${names} ${node.assigns ? "=" : ":="} `;
      return before + node.commands.map(sourceOf).join(" | ");
    }
    case "text":
      return node.text;
    case "action":
      return `{{${sourceOf(node.pipeline)}}}`;
    case "template": {
      const argument = node.pipeline === undefined ? "" : ` ${sourceOf(node.pipeline)}`;
      return `{{template ${JSON.stringify(node.name)}${argument}}}`;
    }
    default:
      return `{{${node.kind}}}`;
  }
}
