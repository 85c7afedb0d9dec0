/** Ids that an administrator gives to users besides their own: /etc/subuid and /etc/subgid (subuid(5), subgid(5)). */

/** Ids of the host, from `start` on. */
export interface IdRange {
  readonly start: number;
  readonly size: number;
}

/** One line. */
export interface SubordinateIds extends IdRange {
  /** A user's name or number. */
  readonly owner: string;
}

/** @param text of one of the files. Lines that are not of their form are passed over. */
export function parseSubordinateIds(text: string): SubordinateIds[] {
  return text.split("\n").flatMap((line) => {
    const [, owner = "", start = "", size = ""] = /^([^:#]+):(\d{1,10}):(\d{1,10})$/.exec(line.trim()) ?? [];
    return owner === "" ? [] : [{ owner, start: Number(start), size: Number(size) }];
  });
}

export function belongsTo(
  { owner }: SubordinateIds,
  { name, uid }: { readonly name?: string | undefined; readonly uid: number },
): boolean {
  return owner === name || owner === String(uid);
}

/** The parts of ranges that are in others as well. */
export function commonParts(some: readonly IdRange[], others: readonly IdRange[]): IdRange[] {
  return some.flatMap((a) => others.flatMap((b) => between(startOf(a, b), Math.min(endOf(a), endOf(b)))));
}

/** The parts of a range that are in none of others. */
export function partsBeside(range: IdRange, others: readonly IdRange[]): IdRange[] {
  return others.reduce<IdRange[]>(
    (parts, other) =>
      parts.flatMap((part) => [
        ...between(part.start, Math.min(endOf(part), other.start)),
        ...between(startOf(part, { start: endOf(other) }), endOf(part)),
      ]),
    [range],
  );
}

const endOf = ({ start, size }: IdRange) => start + size;
const startOf = (a: Pick<IdRange, "start">, b: Pick<IdRange, "start">) => Math.max(a.start, b.start);
const between = (start: number, end: number): IdRange[] => end > start ? [{ start, size: end - start }] : [];
