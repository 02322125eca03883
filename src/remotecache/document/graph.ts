import { VarveError } from "../../core/index.ts";
import type { CacheNote } from "./notes.ts";
import { type GraphLink, GraphNode, linkName } from "./graph-node.ts";
import type { CacheLink, CacheNode, CacheResult, NodeFacts } from "./graph-types.ts";

/**
 * Maximum number of node visits that one graph makes to find equal records and loops. Only a malicious document needs more. Past
 * the limit, equal records stay separate, and links that might close a loop are left out. That may cause misses, but never a
 * wrong hit.
 */
const MAX_LOOKS = 5_000_000;

type ReadNotes = (signal: AbortSignal | undefined) => Promise<ReadonlyMap<CacheNode, CacheNote>>;

/**
 * The records of a cache as a graph without loops. Equal records are one node: two roots are equal if their digests are; two other
 * records are equal if for every input they have an alternative in common. The content of the graph does not depend on the
 * order in which records were added, except for which link of a loop is left out.
 */
export class CacheGraph {
  readonly #roots = new Map<string, GraphNode>();
  readonly #nodes = new Set<GraphNode>();
  #looks = MAX_LOOKS;
  #readNotes: ReadNotes | undefined;
  #loading: Promise<void> | undefined;

  /** Number of nodes. */
  get size(): number {
    return this.#nodes.size;
  }

  /**
   * Adds a record. If equal records exist, all of them become one node with the alternatives and results of each. A link that
   * would close a loop is left out. The nodes of the links must belong to this graph; they may have been fused since.
   *
   * @throws {VarveError} `invalid-argument` if an input has no alternative, or if a node belongs to another graph.
   */
  add(
    digest: string,
    inputs: readonly (readonly CacheLink[])[],
    results: readonly CacheResult[] = [],
    facts: NodeFacts = {},
  ): CacheNode {
    const node = inputs.length === 0 ? this.#root(digest) : this.#inner(digest, inputs);
    node.addFacts(facts);
    for (const result of results) node.addResult(result);
    return node;
  }

  /** Lets `loadNotes` add notes that `read` returns. It must not reject. */
  deferNotes(read: ReadNotes): void {
    this.#readNotes = read;
  }

  /** Adds the notes of the graph's document to its nodes. They are read when this is first called. */
  async loadNotes(signal?: AbortSignal): Promise<void> {
    this.#loading ??= this.#addNotes(signal);
    await this.#loading;
  }

  async #addNotes(signal: AbortSignal | undefined): Promise<void> {
    for (const [node, note] of (await this.#readNotes?.(signal)) ?? []) this.#own(node).addFacts({ note });
  }

  /** Returns the node itself, or the node that it was fused into. */
  current(node: CacheNode): CacheNode {
    return this.#own(node);
  }

  /** Yields all nodes, inputs first. */
  *nodes(): Generator<CacheNode, void> {
    const done = new Set<GraphNode>();
    for (const node of this.#nodes) yield* inputsFirst(node, done);
  }

  /** Adds all records of another graph. Returns the node of this graph for each node of the other one. */
  merge(other: CacheGraph): Map<CacheNode, CacheNode> {
    const copies = new Map<CacheNode, CacheNode>();
    for (const node of other.nodes())
      copies.set(node, this.add(node.digest, copiedInputs(node, copies), node.results, node));
    for (const [original, copy] of copies) copies.set(original, this.#own(copy));
    return copies;
  }

  #root(digest: string): GraphNode {
    const known = this.#roots.get(digest);
    if (known !== undefined) return known;
    const node = new GraphNode(digest, 0);
    this.#roots.set(digest, node);
    this.#nodes.add(node);
    return node;
  }

  #inner(digest: string, inputs: readonly (readonly CacheLink[])[]): GraphNode {
    const links = inputs.map((list) => list.map(({ selector, node }) => ({ selector, node: this.#own(node) })));
    if (links.some((list) => list.length === 0))
      throw new VarveError("invalid-argument", `Cannot add cache record ${digest}: an input has no alternative`);
    const [known, ...others] = this.#equals({ digest, inputs: links });
    const node = known ?? new GraphNode(digest, inputs.length);
    this.#nodes.add(node);
    const open = new Set<GraphNode>();
    for (const other of others) this.#fuse(this.#own(node), other, open);
    const settled = this.#own(node);
    for (const [input, link] of entries(links)) {
      const from = this.#own(link.node);
      if (settled.hasLink(input, { ...link, node: from })) continue;
      if (known !== undefined && this.#mayReach(settled, from)) continue;
      settled.addLink(input, { ...link, node: from });
      if (known !== undefined) open.add(settled);
    }
    this.#settle(open);
    return this.#own(settled);
  }

  /** Returns the current node of this graph for a node that was returned earlier. */
  #own(node: CacheNode): GraphNode {
    let own = node;
    while (own instanceof GraphNode && own.fusedInto !== undefined) own = own.fusedInto;
    if (own instanceof GraphNode && this.#nodes.has(own)) {
      if (node instanceof GraphNode && node !== own) node.fusedInto = own;
      return own;
    }
    throw new VarveError("invalid-argument", `Cannot use cache record ${node.digest}: it belongs to another graph`);
  }

  /** Returns the nodes that every input leads to by one of its alternatives. */
  #equals(record: { readonly digest: string; readonly inputs: readonly (readonly GraphLink[])[] }): GraphNode[] {
    const reached = record.inputs.map((list, input) =>
      list.flatMap(({ selector, node }) => node.dependents.get(linkName(record, input, selector)) ?? []),
    );
    const sizes = reached.map((sets) => sets.reduce((sum, { size }) => sum + size, 0));
    const least = sizes.indexOf(sizes.reduce((a, b) => Math.min(a, b), Infinity));
    this.#looks -= sizes[least] ?? 0;
    if (this.#looks < 0) return [];
    const equals = new Set<GraphNode>();
    for (const set of reached[least] ?? [])
      for (const node of set) if (reached.every((sets) => sets.some((one) => one.has(node)))) equals.add(node);
    return [...equals];
  }

  /** Fuses the changed nodes with nodes that are equal to them now, and then their dependents. */
  #settle(open: Set<GraphNode>): void {
    for (const node of open) {
      open.delete(node);
      if (node.fusedInto !== undefined) continue;
      const others = this.#equals(node).filter((one) => one !== node);
      for (const other of others) if (other.fusedInto === undefined) this.#fuse(this.#own(node), other, open);
    }
  }

  /** Fuses two nodes into one. Adds it, and the dependents of the one that is removed, to `open`. */
  #fuse(a: GraphNode, b: GraphNode, open: Set<GraphNode>): void {
    if (a === b) return;
    const isBelow = this.#mayReach(b, a);
    const isAbove = this.#mayReach(a, b);
    const keepsA = isAbove || (!isBelow && a.degree >= b.degree);
    const [node, gone] = keepsA ? [a, b] : [b, a];
    this.#looks -= gone.degree;
    if (this.#looks < 0) return;
    for (const [input, link] of Array.from(entries(gone.inputs))) {
      gone.removeLink(input, link);
      const closesLoop = (isBelow || isAbove) && this.#mayReach(node, link.node);
      if (!closesLoop && !node.hasLink(input, link)) node.addLink(input, link);
    }
    for (const dependent of new Set([...gone.dependents.values()].flatMap((set) => [...set]))) {
      redirect(dependent, gone, node);
      open.add(dependent);
    }
    for (const result of gone.results) node.addResult(result);
    node.addFacts(gone);
    gone.fusedInto = node;
    this.#nodes.delete(gone);
    open.add(node);
  }

  /** True if `from` is `to` or an ancestor of `to`. Also true when the limit of visits is reached. */
  #mayReach(from: GraphNode, to: GraphNode): boolean {
    const visited = new Set([to]);
    for (const node of visited) {
      if (node === from || (this.#looks -= 1) < 0) return true;
      for (const list of node.inputs) for (const link of list) visited.add(link.node);
    }
    return false;
  }
}

function* entries(inputs: readonly (readonly GraphLink[])[]): Generator<[number, GraphLink]> {
  for (const [input, list] of inputs.entries()) for (const link of list) yield [input, link];
}

function redirect(dependent: GraphNode, from: GraphNode, to: GraphNode): void {
  for (const [input, link] of Array.from(entries(dependent.inputs))) {
    if (link.node !== from) continue;
    dependent.removeLink(input, link);
    const moved = { selector: link.selector, node: to };
    if (!dependent.hasLink(input, moved)) dependent.addLink(input, moved);
  }
}

/** Returns the inputs of a node of another graph, with links to the copies of its inputs. Copies are made inputs first. */
export function copiedInputs(node: CacheNode, copies: ReadonlyMap<CacheNode, CacheNode>): CacheLink[][] {
  return node.inputs.map((list) =>
    list.map(({ selector, node: input }) => {
      const copy = copies.get(input);
      if (copy !== undefined) return { selector, node: copy };
      throw new VarveError("internal", `Cannot copy cache record ${node.digest}: an input was not copied before it`);
    }),
  );
}

/** Yields a node after its ancestors. It does not recurse, because chains may be as long as a document. */
function* inputsFirst(top: GraphNode, done: Set<GraphNode>): Generator<GraphNode> {
  const path = [{ node: top, links: entries(top.inputs) }];
  for (let at = path.at(-1); at !== undefined; at = path.at(-1)) {
    const next = done.has(at.node) ? undefined : at.links.next().value;
    if (next !== undefined) {
      if (!done.has(next[1].node)) path.push({ node: next[1].node, links: entries(next[1].node.inputs) });
      continue;
    }
    path.pop();
    if (done.has(at.node)) continue;
    done.add(at.node);
    yield at.node;
  }
}
