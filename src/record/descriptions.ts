import type { LayerBlob } from "./types.ts";

/*
 * What records are called. BuildKit's caches and listings have these texts too, and nothing else that names a step: so the
 * texts are written and read here only.
 */

/** Of the layer or bind mount that a step's process writes to. */
export function execDescription(target: string, command: string): string {
  return `mount ${target} from exec ${command}`;
}

export function pulledDescription(reference: string): string {
  return `pulled from ${reference}`;
}

/** Of a layer that came with a cache that does not describe it. */
export function importedDescription(digest: string): string {
  return `imported ${digest}`;
}

const EXEC = /^mount \/ from exec (?:\/bin\/sh -c )?([^]+)$/;
/** Layers that nobody has described. */
const UNDESCRIBED = /^(?:imported|pulled) /;

/** Returns the step that a description tells of, as it stands in a Dockerfile; undefined if it tells of none. */
export function stepOf(description: string): string | undefined {
  if (description === "" || UNDESCRIBED.test(description)) return undefined;
  const command = EXEC.exec(description)?.[1];
  if (command !== undefined) return `RUN ${command}`;
  return description.replace(/^copy /, "COPY ");
}

/** Returns the step that made the topmost of some layers. */
export function nameOfLayers(layers: readonly Pick<LayerBlob, "description">[]): string | undefined {
  return stepOf(layers.at(-1)?.description ?? "");
}
