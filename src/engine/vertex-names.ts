import type { LayerBlob } from "../record/index.ts";

const EXEC = /^mount \/ from exec (?:\/bin\/sh -c )?([^]+)$/;
/** What layers are called that nobody has described. */
const NAMELESS = /^(?:imported|pulled) /;

/** The step that a record's description tells of, as it stands in a Dockerfile; undefined where it tells of none. */
export function stepOf(description: string): string | undefined {
  if (description === "" || NAMELESS.test(description)) return undefined;
  const command = EXEC.exec(description)?.[1];
  if (command !== undefined) return `RUN ${command}`;
  return description.replace(/^copy /, "COPY ");
}

/** The step that made the topmost of some layers. */
export function nameOfLayers(layers: readonly Pick<LayerBlob, "description">[]): string | undefined {
  return stepOf(layers.at(-1)?.description ?? "");
}
