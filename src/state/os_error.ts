/** The errno of an error of Deno's file functions: it is in the text only, and few have a class of their own. */
export function errnoOf(error: unknown): number | undefined {
  const errno = error instanceof Error ? /\(os error (\d+)\)/.exec(error.message)?.[1] : undefined;
  return errno === undefined ? undefined : Number(errno);
}
