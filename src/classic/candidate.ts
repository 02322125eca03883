import { type Digest, parseGoTime } from "../core/index.ts";
import { type LocalImages, holdImage } from "../images/index.ts";
import {
  ImageRelations,
  type LocalImage,
  createdAt,
  imageFields,
  matchesPlatform,
  openRelated,
} from "../image/index.ts";
import type { Hold } from "../record/index.ts";
import { equalConfigs } from "./equal-configs.ts";
import { restoredDocuments, storeRestored } from "./restore.ts";
import { type ParentImage, type SourceMatch, matchSource } from "./source-match.ts";
import type { ProbeStep } from "./types.ts";

/** An image that matches a step. It exists already, or is restored from a cache source when it is chosen. */
export interface Candidate extends ParentImage {
  readonly how: "local" | "source" | "restored";
  /** Nanoseconds since 1970. */
  readonly created: bigint;
  /**
   * Returns the image, kept by the hold's lease. Undefined if it was removed meanwhile. `parent` is the image of the previous
   * step.
   */
  readonly take: (parent: LocalImage | undefined, hold: Hold) => Promise<LocalImage | undefined>;
}

/** Returns the parent's child images that were built here with an equal config, for a matching platform. Skips unreadable ones. */
async function localCandidates(store: LocalImages, step: ProbeStep, parent: Digest | undefined): Promise<Candidate[]> {
  const found: Candidate[] = [];
  for (const relation of new ImageRelations(store.state).children(parent)) {
    const { builtHere, containerConfig } = relation;
    if (!builtHere || containerConfig === undefined || !equalConfigs(containerConfig, step.config)) continue;
    const image = await openRelated(store, relation, step.platform);
    const created = image === undefined ? undefined : createdAt(image.config);
    if (image === undefined || created === undefined || !matchesPlatform(step.platform, image.config)) continue;
    const take = (_parent: LocalImage | undefined, hold: Hold): Promise<LocalImage | undefined> =>
      Promise.resolve(holdImage(image, store, hold) ? image : undefined);
    found.push({ id: image.id, config: image.config, layers: image.layers, how: "local", created, take });
  }
  return found;
}

/** Sets the parent of a cache source, so that its history shows image ids. */
function takeSource(source: LocalImage, parent: LocalImage | undefined, store: LocalImages): LocalImage {
  const relations = new ImageRelations(store.state);
  return store.state.transaction(
    () => {
      relations.adopt(source.id, source.manifest);
      if (parent !== undefined) relations.setParent(source.id, parent.id);
      return { ...source, parent: parent?.id ?? source.parent };
    },
    { durable: true },
  );
}

function sourceCandidate(
  match: SourceMatch,
  step: ProbeStep,
  below: ParentImage | undefined,
  store: LocalImages,
): Candidate {
  const { source, n, last } = match;
  const created = parseGoTime(source.config.history[n]?.created ?? "") ?? 0n;
  if (last && equalConfigs(source.config.config ?? {}, imageFields(step.runConfig))) {
    const take = (parent: LocalImage | undefined, hold: Hold): Promise<LocalImage | undefined> =>
      Promise.resolve(holdImage(source, store, hold) ? takeSource(source, parent, store) : undefined);
    return { id: source.id, config: source.config, layers: source.layers, how: "source", created, take };
  }
  const documents = restoredDocuments(match, step, below);
  const { id, config, layers } = documents;
  const take = (parent: LocalImage | undefined, hold: Hold): Promise<LocalImage | undefined> =>
    storeRestored(documents, parent, store, hold);
  return { id, config, layers, how: "restored", created, take };
}

/** Returns every image that matches a step on top of `below`, each of them once. Images that were built here come first. */
export async function candidatesFor(
  step: ProbeStep,
  below: ParentImage | undefined,
  sources: readonly LocalImage[],
  store: LocalImages,
): Promise<Candidate[]> {
  const local = await localCandidates(store, step, below?.id);
  const fromSources = sources.flatMap((source) => {
    const match = matchSource(source, step, below, store);
    return match === undefined ? [] : [sourceCandidate(match, step, below, store)];
  });
  const byId = new Map<Digest, Candidate>();
  for (const candidate of [...local, ...fromSources]) if (!byId.has(candidate.id)) byId.set(candidate.id, candidate);
  return [...byId.values()];
}
