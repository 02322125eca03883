import { type Descriptor, type Digest, messageOf } from "../../core/index.ts";
import type { Bytes } from "../../io/index.ts";
import type { Hold, RemoteLayer } from "../../record/index.ts";
import type { ExportedGraph } from "./export-graph.ts";

/** A place to which a cache document can be written. */
export interface CacheTarget {
  /**
   * Merges an export with the existing document, under its scope. Returns the descriptor of the new manifest, or undefined if there
   * is nothing to write because no record has a result. If it throws, the existing document is unchanged.
   */
  write(exported: ExportedGraph, scope: string, hold: Hold): Promise<Descriptor | undefined>;
}

/** Shows a warning to the user. */
export type Warn = (message: string) => void;

/** Returns a function that shows each warning only once. */
export function warnOnce(warn: Warn): Warn {
  const shown = new Set<string>();
  return (message) => {
    if (shown.has(message)) return;
    shown.add(message);
    warn(message);
  };
}

/** Warns about blobs that are not available, with the reasons. */
export function warnMissing(lost: ReadonlyMap<Digest, unknown>, warn: Warn): void {
  for (const [digest, error] of lost) {
    const why = messageOf(error);
    warn(`Results that need blob ${digest} are not exported: ${why}`);
  }
}

/** Returns the bytes of a layer from `offset` on. It is called only for layers that a target lacks, possibly more than once. */
export type LayerSource = (layer: RemoteLayer, offset: number, hold: Hold) => Bytes;
