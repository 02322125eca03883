import { type Digest, digestOf } from "../../core/index.ts";

/** Returns the name of a result with these layers, lowest first. It is the same on every machine, however they are compressed. */
export function layersName(layers: readonly { readonly diffId: Digest }[]): string {
  return digestOf(layers.map(({ diffId }) => diffId).join(" "));
}
