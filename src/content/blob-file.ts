import type { DamageState } from "../core/index.ts";
import { lstatSync } from "node:fs";

/** The identity of a file, which a rename does not change. */
export interface FileIdentity {
  readonly dev: number;
  readonly ino: number;
}

/** Checks the file of a blob without reading its contents. Returns the file, or its damage. */
export type BlobFile = { readonly kind: "whole" } | { readonly kind: "damaged"; readonly state: DamageState };

export function blobFile(path: string, size: number): BlobFile {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return { kind: "damaged", state: "missing" };
  if (!found.isFile()) return { kind: "damaged", state: "not-a-file" };
  return found.size === size ? { kind: "whole" } : { kind: "damaged", state: "wrong-size" };
}

/** True if the path still refers to this file. */
export function isAt(path: string, { dev, ino }: FileIdentity): boolean {
  const found = lstatSync(path, { throwIfNoEntry: false });
  return found !== undefined && found.dev === dev && found.ino === ino;
}
