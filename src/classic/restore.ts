import { type ImageDocuments, type LocalImages, documentsOf, writeDocuments } from "../images/index.ts";
import { type ImageConfig, ImageRelations, type LocalImage, imageFields } from "../image/index.ts";
import type { Hold } from "../record/index.ts";
import type { ParentImage, SourceMatch } from "./source-match.ts";
import type { ProbeStep } from "./types.ts";

/**
 * Returns the image that step `n` of a cache source would have made if it had been built here. History and layer are the
 * source's; the config is the step's own. The same source and step always give the same image.
 */
export function restoredDocuments(
  { source, n, layer }: SourceMatch,
  step: ProbeStep,
  below: ParentImage | undefined,
): ImageDocuments {
  const entry = source.config.history[n];
  const { architecture, os, variant } = source.config;
  const { "os.version": version, "os.features": features } = source.config;
  const config: Omit<ImageConfig, "rootfs"> = {
    ...(entry?.created !== undefined && { created: entry.created }),
    ...(entry?.author !== undefined && { author: entry.author }),
    architecture,
    os,
    ...(variant !== undefined && { variant }),
    ...(version !== undefined && { "os.version": version }),
    ...(features !== undefined && { "os.features": features }),
    config: imageFields(step.runConfig),
    history: source.config.history.slice(0, n + 1),
  };
  return documentsOf(config, [...(below?.layers ?? []), ...(layer === undefined ? [] : [layer])]);
}

/** Stores a restored image with its parent. Later builds without the source do not use it. */
export async function storeRestored(
  documents: ImageDocuments,
  parent: LocalImage | undefined,
  store: LocalImages,
  hold: Hold,
): Promise<LocalImage> {
  const written = await writeDocuments(documents, store, hold);
  const relations = new ImageRelations(store.state);
  const relation = store.state.transaction(
    () => {
      const known = relations.get(documents.id);
      // An image that was built here keeps its row.
      if (known?.builtHere !== true) {
        relations.adopt(documents.id, written);
        if (parent !== undefined) relations.setParent(documents.id, parent.id);
      }
      return relations.get(documents.id);
    },
    { durable: true },
  );
  return {
    id: documents.id,
    manifest: relation?.manifest ?? written,
    config: documents.config,
    layers: documents.layers,
    parent: relation?.parent,
    builtHere: relation?.builtHere ?? false,
    containerConfig: relation?.containerConfig,
  };
}
