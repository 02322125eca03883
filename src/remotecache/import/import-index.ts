import { isDigest, isLayerType } from "../../core/index.ts";
import type { KeyLink, StoredResult } from "../../solver/index.ts";
import type { RemoteLayer } from "../../record/index.ts";
import { CacheGraph } from "../document/graph.ts";
import { layersName } from "../document/graph-node.ts";
import type { CacheNode, CacheResult } from "../document/graph-types.ts";
import type { CacheNote } from "../document/notes.ts";
import { timeToMilliseconds } from "../document/time.ts";
import { linkInto, recordOfLink } from "./record-link.ts";

/** A key of the import. */
interface Entry {
  readonly node: CacheNode;
  readonly results: readonly StoredResult[];
  readonly outgoing: { readonly to: string; readonly link: KeyLink }[];
  /** Target ids by `linkName`. */
  readonly links: Map<string, Set<string>>;
}

/** What a document says of a record. */
export interface ImportedNote {
  /** Id of the record's key in the imported cache. */
  readonly key: string;
  /** The record's digest. */
  readonly record: string;
  readonly note: CacheNote;
  /** The results of the record. Their layers may be gone. */
  readonly results: readonly CacheResult[];
}

const linkName = (input: number, record: string, selector: string): string =>
  `${input} ${selector.length} ${selector} ${record}`;

/** Lookup tables for imported graphs, by the ids of keys and results. */
export class ImportIndex {
  readonly #entries = new Map<string, Entry>();
  readonly #ids = new Map<CacheNode, string>();
  readonly #layers = new Map<string, readonly RemoteLayer[]>();
  readonly #keysOfResult = new Map<string, string[]>();
  readonly #graph = new CacheGraph();
  /** The graphs that were merged, with the nodes that theirs became. */
  readonly #origins: { readonly graph: CacheGraph; readonly nodes: ReadonlyMap<CacheNode, CacheNode> }[] = [];

  /** `now` is in milliseconds since 1970. Results with a later time get this time. */
  constructor(graphs: readonly CacheGraph[], now: number) {
    for (const graph of graphs) this.#origins.push({ graph, nodes: this.#graph.merge(graph) });
    for (const node of this.#graph.nodes()) this.#add(node, now);
  }

  /** Returns what the documents say of their records. They are asked when this is first called. */
  async notes(signal?: AbortSignal): Promise<ImportedNote[]> {
    const notes = new Map<string, ImportedNote>();
    for (const { graph, nodes } of this.#origins) {
      await graph.loadNotes(signal);
      for (const [original, copy] of nodes) {
        const { note } = original;
        const node = this.#graph.current(copy);
        const key = this.idOf(node);
        if (note !== undefined) notes.set(key, { key, record: node.digest, note, results: node.results });
      }
    }
    return [...notes.values()];
  }

  get(id: string): Entry | undefined {
    return this.#entries.get(id);
  }

  ids(): Iterable<string> {
    return this.#entries.keys();
  }

  idOf(node: CacheNode): string {
    return this.#ids.get(node) ?? "";
  }

  layers(result: string): readonly RemoteLayer[] | undefined {
    return this.#layers.get(result);
  }

  keysOfResult(result: string): readonly string[] {
    return this.#keysOfResult.get(result) ?? [];
  }

  #add(node: CacheNode, now: number): void {
    const id = node.inputs.length === 0 && isDigest(node.digest) ? node.digest : `record:${this.#ids.size}`;
    this.#ids.set(node, id);
    const results = node.results.flatMap(({ layers, createdAt }) => {
      if (!layers.every(({ mediaType }) => isLayerType(mediaType))) return [];
      const result = layersName(layers);
      this.#layers.set(result, withDescription(layers, node.name));
      this.#addKey(result, id);
      return [{ id: result, createdAt: Math.min(timeToMilliseconds(createdAt), now) }];
    });
    this.#entries.set(id, { node, results, outgoing: [], links: new Map() });
    for (const [input, list] of node.inputs.entries())
      for (const { selector, node: from } of list) this.#link(this.idOf(from), input, selector, { id, node });
  }

  #addKey(result: string, key: string): void {
    const keys = this.#keysOfResult.get(result);
    if (keys === undefined) this.#keysOfResult.set(result, [key]);
    else keys.push(key);
  }

  #link(from: string, input: number, selector: string, to: { readonly id: string; readonly node: CacheNode }): void {
    const entry = this.#entries.get(from);
    const name = linkName(input, to.node.digest, selector);
    const targets = entry?.links.get(name) ?? new Set();
    entry?.links.set(name, targets.add(to.id));
    entry?.outgoing.push({ to: to.id, link: linkInto(to.node, input, selector) });
  }

  /** Returns the ids that a link leads to. */
  follow(from: string, link: KeyLink): readonly string[] {
    const name = linkName(link.input, recordOfLink(link), link.selector);
    return [...(this.#entries.get(from)?.links.get(name) ?? [])];
  }

  backlinks(id: string): readonly { readonly from: string; readonly link: KeyLink }[] {
    const node = this.#entries.get(id)?.node;
    if (node === undefined) return [];
    return node.inputs.flatMap((list, input) =>
      list.map(({ selector, node: from }) => ({ from: this.idOf(from), link: linkInto(node, input, selector) })),
    );
  }
}

/** Describes the top layer, which the step made, by the name of the step. */
function withDescription(layers: readonly RemoteLayer[], description: string | undefined): readonly RemoteLayer[] {
  const top = layers.at(-1);
  return top === undefined || description === undefined ? layers : [...layers.slice(0, -1), { ...top, description }];
}
