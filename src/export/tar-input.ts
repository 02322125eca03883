import type { TarEntry, TarInput } from "../layer/index.ts";

/** Returns the input that writes an entry of a tar again, with some fields changed. */
export function tarInputOf(entry: TarEntry, changes: Partial<Pick<TarInput, "path" | "linkPath" | "mtime">>): TarInput {
  const { body, rawPath: _raw, size, ...header } = entry;
  const input = { ...header, ...changes };
  return entry.type === "file" ? { ...input, body: { size, bytes: body } } : input;
}
