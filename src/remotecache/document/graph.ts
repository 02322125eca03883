import { VarveError } from "../../core/index.ts";
import { type GraphLink, GraphNode, linkName } from "./graph-node.ts";
import type { CacheLink, CacheNode, CacheResult } from "./graph-types.ts";

/**
 * Looks at nodes that one graph spends on finding equal records and loops. Past it, which takes a document made for it,
 * equal records stay apart and links that might close a loop are left out: that costs hits, never a wrong one.
 */
const MAX_LOOKS = 5_000_000;

/**
 * The records of a cache as a graph, without loops. Records that are equal are one node: roots by their digest, others if
 * every input of the one has an alternative in common with the other's. What the graph holds does not depend on the order
 * in which it was filled, except for which link of a loop is left out.
 */
export class CacheGraph {
  readonly #roots = new Map<string, GraphNode>();
  readonly #nodes = new Set<GraphNode>();
  #looks = MAX_LOOKS;

  /** How many nodes there are. */
  get size(): number {
    return this.#nodes.size;
  }

  /**
   * Adds a record, or unites its alternatives and results with those of the equal ones there are, which thereby become one
   * node. A link that would close a loop is left out. Links lead to nodes of this graph, fused ones included. Throws
   * `invalid-argument` if an input has no alternative.
   */
  add(
    digest: string,
    inputs: readonly (readonly CacheLink[])[],
    results: readonly CacheResult[] = [],
    name?: string,
  ): CacheNode {
    const node = inputs.length === 0 ? this.#root(digest) : this.#inner(digest, inputs);
    node.addName(name);
    for (const result of results) node.addResult(result);
    return node;
  }

  /** The node that a node given out earlier is by now: itself, or what it has been fused with. */
  current(node: CacheNode): CacheNode {
    return this.#own(node);
  }

  /** Inputs before what is made of them. */
  *nodes(): Generator<CacheNode, void> {
    const done = new Set<GraphNode>();
    for (const node of this.#nodes) yield* upwards(node, done);
  }

  /** Unites another graph into this one; says what became of each of its nodes. */
  merge(other: CacheGraph): Map<CacheNode, CacheNode> {
    const here = new Map<CacheNode, CacheNode>();
    for (const node of other.nodes()) {
      const inputs = node.inputs.map((list) =>
        list.map(({ selector, node: from }) => ({ selector, node: here.get(from) as CacheNode })),
      );
      here.set(node, this.add(node.digest, inputs, node.results, node.name));
    }
    for (const [theirs, ours] of here) here.set(theirs, this.#own(ours));
    return here;
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

  /** Resolves a node given out earlier. */
  #own(node: CacheNode): GraphNode {
    let own = node;
    while (own instanceof GraphNode && own.fusedInto !== undefined) own = own.fusedInto;
    if (own instanceof GraphNode && this.#nodes.has(own)) {
      if (node instanceof GraphNode && node !== own) node.fusedInto = own;
      return own;
    }
    throw new VarveError("invalid-argument", `Cannot use cache record ${node.digest}: it is of another graph`);
  }

  /** The nodes that every input leads to by one of its alternatives. */
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

  /** Fuses nodes that have grown with those they have become equal to, and so on with what is made of them. */
  #settle(open: Set<GraphNode>): void {
    for (const node of open) {
      open.delete(node);
      if (node.fusedInto !== undefined) continue;
      const others = this.#equals(node).filter((one) => one !== node);
      for (const other of others) if (other.fusedInto === undefined) this.#fuse(this.#own(node), other, open);
    }
  }

  /** Makes two nodes one; both and what is made of the one that goes are to be looked at again. */
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
    node.addName(gone.name);
    gone.fusedInto = node;
    this.#nodes.delete(gone);
    open.add(node);
  }

  /** Whether `from` is `to` or something `to` is made of; true as well if that takes too long to find out. */
  #mayReach(from: GraphNode, to: GraphNode): boolean {
    const seen = new Set([to]);
    for (const node of seen) {
      if (node === from || (this.#looks -= 1) < 0) return true;
      for (const list of node.inputs) for (const link of list) seen.add(link.node);
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

/** A node after everything it is made of, without recursion: chains may be as long as a document. */
function* upwards(top: GraphNode, done: Set<GraphNode>): Generator<GraphNode> {
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
