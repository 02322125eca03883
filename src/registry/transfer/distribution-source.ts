import { Annotation, type Descriptor, type Reference } from "../../core/index.ts";
import type { BlobInfo, ContentStore } from "../../content/index.ts";

const MAX_REPOSITORIES = 16;

function labelOf(registry: string): string {
  return `${Annotation.distributionSource}${registry}`;
}

function split(list: string | undefined): readonly string[] {
  return (list ?? "").split(",").filter((each) => each !== "");
}

/** Returns the label for the source of a blob: the repositories that the blob names already, and one more. */
export function sourceLabel(reference: Reference, known: BlobInfo | undefined): Readonly<Record<string, string>> {
  const key = labelOf(reference.registry);
  const repositories = split(known?.labels.get(key)).filter((each) => each !== reference.repository);
  return { [key]: [reference.repository, ...repositories].slice(0, MAX_REPOSITORIES).join(",") };
}

/** Labels a blob of the store: it is in the reference's repository. */
export function labelSource(store: ContentStore, reference: Reference, info: BlobInfo): void {
  const key = labelOf(reference.registry);
  if (split(info.labels.get(key)).includes(reference.repository)) return;
  store.label(info.digest, sourceLabel(reference, info));
}

/** Returns the repositories of a registry that may have a blob, by its labels and its descriptor's annotations. */
export function sourcesOf(registry: string, descriptor: Descriptor, info: BlobInfo | undefined): readonly string[] {
  const key = labelOf(registry);
  const { annotations = {} } = descriptor;
  const annotated = Object.hasOwn(annotations, key) ? annotations[key] : undefined;
  return [...new Set([...split(info?.labels.get(key)), ...split(annotated)])].filter(isRepository);
}

function isRepository(name: string): boolean {
  return name.length <= 255 && /^[a-z0-9]+(?:[._/-]+[a-z0-9]+)*$/.test(name) && !name.includes("//");
}
