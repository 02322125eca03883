import { type Descriptor, type Digest, messageOf } from "../../core/index.ts";
import type { Bytes } from "../../io/index.ts";
import type { Hold, RemoteLayer } from "../../record/index.ts";
import type { ExportedGraph } from "./export-graph.ts";

/** Where a cache document is written to. */
export interface CacheTarget {
  /**
   * Writes an export into the document that is there, under its scope. Returns the descriptor of the manifest that stands
   * there then; undefined if there is nothing to write, because no record has a result. Throws if it cannot be written;
   * what was there then stays.
   */
  write(exported: ExportedGraph, scope: string, hold: Hold): Promise<Descriptor | undefined>;
}

/** Tells people of what is amiss and no reason to fail. */
export type Warn = (message: string) => void;

/** Tells each thing once, however often it is met. */
export function warnOnce(warn: Warn): Warn {
  const told = new Set<string>();
  return (message) => {
    if (told.has(message)) return;
    told.add(message);
    warn(message);
  };
}

/** Says which blobs could not be had, and why. */
export function tellLost(lost: ReadonlyMap<Digest, unknown>, warn: Warn): void {
  for (const [digest, error] of lost) {
    const why = messageOf(error);
    warn(`Records whose layers need blob ${digest} are exported without them: ${why}`);
  }
}

/** The bytes of a layer from `offset` on; asked only for what a target lacks, and more than once if need be. */
export type LayerSource = (layer: RemoteLayer, offset: number, hold: Hold) => Bytes;
