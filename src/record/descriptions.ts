import type { LayerBlob } from "./types.ts";

/*
 * The descriptions of records, as BuildKit writes them into caches and listings. A cache names its steps in no other place,
 * so this module both writes and parses the texts.
 */

/** Returns the description of the layer or bind mount that the process of a step writes to. */
export function execDescription(target: string, command: string): string {
  return `mount ${target} from exec ${command}`;
}

/** Returns the description of a layer that was pulled with an image. */
export function pulledDescription(reference: string): string {
  return `pulled from ${reference}`;
}

/** Returns the description of a layer from an imported cache that does not describe it. */
export function importedDescription(digest: string): string {
  return `imported ${digest}`;
}

const EXEC = /^mount \/ from exec (?:\/bin\/sh -c )?([^]+)$/;
/** Descriptions that name no step. */
const UNDESCRIBED = /^(?:imported|pulled) /;

/** Returns the step that a description names, as written in a Dockerfile. Undefined if it names none. */
export function stepOf(description: string): string | undefined {
  if (description === "" || UNDESCRIBED.test(description)) return undefined;
  const command = EXEC.exec(description)?.[1];
  if (command !== undefined) return `RUN ${command}`;
  return description.replace(/^copy /, "COPY ");
}

/**
 * Returns the step that created the topmost layer, as written in a Dockerfile, for example `RUN make`. Undefined if the
 * layer's description names no step.
 */
export function stepOfLayers(layers: readonly Pick<LayerBlob, "description">[]): string | undefined {
  return stepOf(layers.at(-1)?.description ?? "");
}
