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
import { type Below, type SourceMatch, matchSource } from "./source-match.ts";
import type { ProbeStep } from "./types.ts";

/** An image that answers a step: there already, or to be made of a source's step once it is chosen. */
export interface Candidate extends Below {
  readonly how: "local" | "source" | "restored";
  /** ns since 1970. */
  readonly created: bigint;
  /** The image itself, kept by the hold's lease; undefined if it has gone meanwhile. `parent` answered the step before. */
  readonly take: (parent: LocalImage | undefined, hold: Hold) => Promise<LocalImage | undefined>;
}

/** Children that were built here with the same config, for a platform the stage can use. Unreadable ones are passed over. */
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

/** The source itself, which gets the image below it as its parent, so that its history has ids. */
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

function sourceCandidate(match: SourceMatch, step: ProbeStep, below: Below | undefined, store: LocalImages): Candidate {
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

/** Every image that can answer a step upon `below`, each once; what was built here comes first. */
export async function candidatesFor(
  step: ProbeStep,
  below: Below | undefined,
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
