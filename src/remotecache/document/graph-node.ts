import { digestOf } from "../../core/index.ts";
import type { RemoteLayer } from "../../record/index.ts";
import type { CacheLink, CacheNode, CacheResult, NodeFacts } from "./graph-types.ts";
import { type CacheNote, chosenNote } from "./notes.ts";

/** A link whose node belongs to the graph. */
export interface GraphLink extends CacheLink {
  readonly node: GraphNode;
}

/** A node as the graph sees it: it can be changed, and it knows its dependents. */
export class GraphNode implements CacheNode {
  readonly digest: string;
  readonly inputs: GraphLink[][];
  /** The nodes that have this one as an input, by `linkName`. */
  readonly dependents: Map<string, Set<GraphNode>> = new Map<string, Set<GraphNode>>();
  /** The node that this one was merged into, if it was. */
  fusedInto: GraphNode | undefined;
  name: string | undefined;
  note: CacheNote | undefined;
  readonly #results = new Map<string, CacheResult>();
  #sorted: readonly CacheResult[] | undefined;

  constructor(digest: string, inputs: number) {
    this.digest = digest;
    this.inputs = Array.from({ length: inputs }, () => []);
  }

  get results(): readonly CacheResult[] {
    this.#sorted ??= [...this.#results]
      .sort(([a, one], [b, other]) => compare(other.createdAt, one.createdAt) || compare(a, b))
      .map(([, result]) => result);
    return this.#sorted;
  }

  /** Number of links into the node and out of it. */
  get degree(): number {
    let count = 0;
    for (const list of this.inputs) count += list.length;
    for (const set of this.dependents.values()) count += set.size;
    return count;
  }

  /** Adds a result. Two results with the same blobs become one, with the newer time and the sources of both. */
  addResult(result: CacheResult): void {
    if (result.layers.length === 0) return;
    const name = layersName(result.layers);
    const known = this.#results.get(name);
    this.#results.set(name, known === undefined ? result : mergeResults(known, result));
    this.#sorted = undefined;
  }

  /** Sets the name and the note. If several are given, in any order, the same ones stay. */
  addFacts({ name, note }: NodeFacts): void {
    if (name !== undefined && (this.name === undefined || name < this.name)) this.name = name;
    if (note !== undefined) this.note = this.note === undefined ? note : chosenNote(this.note, note);
  }

  hasLink(input: number, { selector, node }: GraphLink): boolean {
    return node.dependents.get(linkName(this, input, selector))?.has(this) === true;
  }

  addLink(input: number, link: GraphLink): void {
    this.inputs[input]?.push(link);
    const name = linkName(this, input, link.selector);
    const known = link.node.dependents.get(name);
    if (known === undefined) link.node.dependents.set(name, new Set([this]));
    else known.add(this);
  }

  removeLink(input: number, link: GraphLink): void {
    const list = this.inputs[input] ?? [];
    const at = list.findIndex(({ selector, node }) => selector === link.selector && node === link.node);
    if (at >= 0) list.splice(at, 1);
    const name = linkName(this, input, link.selector);
    const known = link.node.dependents.get(name);
    known?.delete(this);
    if (known?.size === 0) link.node.dependents.delete(name);
  }
}

/** Returns a string that identifies a link by its target and input, as seen from its source. */
export function linkName(
  to: { readonly digest: string; readonly inputs: readonly unknown[] },
  input: number,
  selector: string,
): string {
  return `${input}/${to.inputs.length} ${selector.length} ${selector} ${to.digest}`;
}

function compare<T extends string | bigint>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

const names = new WeakMap<readonly RemoteLayer[], string>();

/** Returns a digest that identifies a list of blobs. It has a fixed length, because there may be many long lists. */
export function layersName(layers: readonly RemoteLayer[]): string {
  const known = names.get(layers);
  if (known !== undefined) return known;
  const name = digestOf(layers.map(({ digest }) => digest).join(" "));
  names.set(layers, name);
  return name;
}

function mergeResults(a: CacheResult, b: CacheResult): CacheResult {
  const [newer, older] = a.createdAt >= b.createdAt ? [a, b] : [b, a];
  return { createdAt: newer.createdAt, layers: mergeSources(newer.layers, older.layers) };
}

function mergeSources(layers: readonly RemoteLayer[], others: readonly RemoteLayer[]): readonly RemoteLayer[] {
  if (layers === others) return layers;
  const isKnown = layers.every(({ sources }, at) => others[at]?.sources.every((source) => sources.includes(source)));
  if (isKnown) return layers;
  return layers.map((layer, at) => ({
    ...layer,
    sources: [...new Set([...layer.sources, ...(others[at]?.sources ?? [])])],
  }));
}
