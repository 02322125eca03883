import { digestOf } from "../../core/index.ts";
import type { ConfigLink } from "./config.ts";
import type { CacheGraph } from "./graph.ts";
import type { CacheLink, CacheNode } from "./graph-types.ts";

export function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

interface Sortable {
  readonly node: CacheNode;
  /** Of each input the alternatives, in an order of their own. */
  readonly inputs: readonly (readonly SortableLink[])[];
  /** Stands for the record and all it is made of: different for different records. */
  readonly identity: string;
}

interface SortableLink {
  readonly selector: string;
  readonly digest: string;
  readonly identity: string;
}

/**
 * The records of a graph in BuildKit's order: by digest, number of inputs, then for each input number of alternatives,
 * selectors and linked digests. BuildKit leaves it to chance what comes first of records alike in that; here it is the one
 * whose whole history has the smaller digest, so that equal graphs are written alike.
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

/** The inputs of a record with the indices its links lead to, sorted by them. */
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
