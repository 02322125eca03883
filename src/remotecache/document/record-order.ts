import { digestOf } from "../../core/index.ts";
import type { ConfigLink } from "./config.ts";
import type { CacheGraph } from "./graph.ts";
import type { CacheLink, CacheNode } from "./graph-types.ts";

/** Compares strings by UTF-16 code units. */
export function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** A record with what decides about its position. */
interface Sortable {
  readonly node: CacheNode;
  /** The sorted alternatives of each input. */
  readonly inputs: readonly (readonly SortableLink[])[];
  /** A digest of the record and all its ancestors: different for different records. */
  readonly identity: string;
}

interface SortableLink {
  readonly selector: string;
  readonly digest: string;
  readonly identity: string;
}

/**
 * Returns the records of a graph in BuildKit's order: by digest, by number of inputs, then for each input by number of
 * alternatives, selectors and linked digests. Where BuildKit's order is random, records are sorted by the digest of all their
 * ancestors, so that equal graphs give equal bytes.
 */
export function orderedRecords(graph: CacheGraph): CacheNode[] {
  const known = new Map<CacheNode, Sortable>();
  for (const node of graph.nodes()) {
    const inputs = node.inputs.map((list) => list.map((link) => sortableLink(link, known)).sort(compareLinks));
    const identity = digestOf(JSON.stringify([node.digest, inputs.map((list) => list.map(identityOf))]));
    known.set(node, { node, inputs, identity });
  }
  return [...known.values()].sort(compareRecords).map(({ node }) => node);
}

/** Returns the inputs of a record with the indices of the linked records, sorted by index. */
export function indexedInputs(node: CacheNode, indices: ReadonlyMap<CacheNode, number>): ConfigLink[][] {
  return node.inputs.map((list) =>
    list
      .map(({ selector, node: from }) => ({ selector, link: indices.get(from) ?? -1 }))
      .sort((a, b) => a.link - b.link || compareTexts(a.selector, b.selector)),
  );
}

function sortableLink({ selector, node }: CacheLink, known: ReadonlyMap<CacheNode, Sortable>): SortableLink {
  return { selector, digest: node.digest, identity: known.get(node)?.identity ?? "" };
}

const identityOf = ({ selector, identity }: SortableLink): readonly string[] => [selector, identity];

function compareLinks(a: SortableLink, b: SortableLink): number {
  return (
    compareTexts(a.selector, b.selector) || compareTexts(a.digest, b.digest) || compareTexts(a.identity, b.identity)
  );
}

function compareInputs(a: readonly SortableLink[], b: readonly SortableLink[]): number {
  if (a.length !== b.length) return a.length - b.length;
  for (const [at, link] of a.entries()) {
    const other = b[at] ?? link;
    const order = compareTexts(link.selector, other.selector) || compareTexts(link.digest, other.digest);
    if (order !== 0) return order;
  }
  return 0;
}

function compareRecords(a: Sortable, b: Sortable): number {
  const order = compareTexts(a.node.digest, b.node.digest) || a.inputs.length - b.inputs.length;
  if (order !== 0) return order;
  for (const [at, input] of a.inputs.entries()) {
    const inputOrder = compareInputs(input, b.inputs[at] ?? []);
    if (inputOrder !== 0) return inputOrder;
  }
  return compareTexts(a.identity, b.identity);
}
