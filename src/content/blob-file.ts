import type { DamageState } from "../core/index.ts";
import { lstatSync } from "node:fs";

/** A file by what stays the same when it is renamed. */
export interface FileIdentity {
  readonly dev: number;
  readonly ino: number;
}

/** What stands in a blob's place: its file as far as that shows without reading it, or how it is damaged. */
export type BlobFile = { readonly kind: "whole" } | { readonly kind: "damaged"; readonly state: DamageState };

export function blobFile(path: string, size: number): BlobFile {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return { kind: "damaged", state: "missing" };
  if (!found.isFile()) return { kind: "damaged", state: "not-a-file" };
  return found.size === size ? { kind: "whole" } : { kind: "damaged", state: "wrong-size" };
}

/** True if the path still leads to this file. */
export function isAt(path: string, { dev, ino }: FileIdentity): boolean {
  const found = lstatSync(path, { throwIfNoEntry: false });
  return found !== undefined && found.dev === dev && found.ino === ino;
}
