/** Labels as filters ask for them. */

/** `NAME=VALUE`, or `NAME` for an empty value. */
export function splitLabel(text: string): [name: string, value: string] {
  const at = text.indexOf("=");
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

/** A label; an own member, because users choose the names: `constructor` is none unless somebody made it one. */
export function labelOf(labels: Readonly<Record<string, string>>, name: string): string | undefined {
  return Object.hasOwn(labels, name) ? labels[name] : undefined;
}

/** Whether labels fit `NAME`, or `NAME=VALUE`. */
export function hasLabel(labels: Readonly<Record<string, string>>, wanted: string): boolean {
  const [name = "", ...rest] = wanted.split("=");
  const value = labelOf(labels, name);
  return value !== undefined && (rest.length === 0 || value === rest.join("="));
}
