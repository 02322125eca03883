import type { CacheKeyStore, KeyChange, KeyLink, StoredResult } from "./store.ts";

interface Entry {
  readonly results: Map<string, StoredResult>;
  /** Targets by link. */
  readonly links: Map<string, { readonly link: KeyLink; readonly to: Set<string> }>;
  readonly from: Map<string, { readonly from: string; readonly link: KeyLink }>;
}

const linkName = (link: KeyLink): string => `${link.input} ${link.output} ${link.digest} ${link.selector}`;

/** A cache key store in memory, for tests and for programs that need no durable cache. */
export class MemoryKeyStore implements CacheKeyStore {
  readonly #entries = new Map<string, Entry>();
  readonly #byResult = new Map<string, Set<string>>();

  exists(key: string): boolean {
    return this.#entries.has(key);
  }

  walk(): Iterable<string> {
    return [...this.#entries.keys()];
  }

  results(key: string): readonly StoredResult[] {
    const results = [...(this.#entries.get(key)?.results.values() ?? [])];
    return results.sort((a, b) => b.createdAt - a.createdAt);
  }

  result(key: string, result: string): StoredResult | undefined {
    return this.#entries.get(key)?.results.get(result);
  }

  links(key: string, link: KeyLink): readonly string[] {
    return [...(this.#entries.get(key)?.links.get(linkName(link))?.to ?? [])];
  }

  hasLink(from: string, link: KeyLink, to: string): boolean {
    return this.#entries.get(from)?.links.get(linkName(link))?.to.has(to) === true;
  }

  outgoing(key: string): readonly { to: string; link: KeyLink }[] {
    const links = [...(this.#entries.get(key)?.links.values() ?? [])];
    return links.flatMap(({ link, to }) => [...to].map((target) => ({ to: target, link })));
  }

  backlinks(key: string): readonly { from: string; link: KeyLink }[] {
    return [...(this.#entries.get(key)?.from.values() ?? [])];
  }

  keysOfResult(result: string): readonly string[] {
    return [...(this.#byResult.get(result) ?? [])];
  }

  write(changes: readonly KeyChange[]): void {
    for (const change of changes) {
      if (change.kind === "link") this.#link(change.from, change.link, change.to);
      else this.#result(change.key, change.result);
    }
  }

  release(result: string): void {
    for (const key of this.keysOfResult(result)) {
      this.#entries.get(key)?.results.delete(result);
      this.#prune(key);
    }
    this.#byResult.delete(result);
  }

  #entry(key: string): Entry {
    const entry = this.#entries.get(key) ?? { results: new Map(), links: new Map(), from: new Map() };
    this.#entries.set(key, entry);
    return entry;
  }

  #link(from: string, link: KeyLink, to: string): void {
    const name = linkName(link);
    const { links } = this.#entry(from);
    const targets = links.get(name) ?? { link, to: new Set() };
    links.set(name, targets);
    targets.to.add(to);
    this.#entry(to).from.set(`${from} ${name}`, { from, link });
  }

  #result(key: string, result: StoredResult): void {
    this.#entry(key).results.set(result.id, result);
    const keys = this.#byResult.get(result.id) ?? new Set();
    this.#byResult.set(result.id, keys.add(key));
  }

  /** Removes a key that has neither results nor outgoing links, then checks the keys that linked to it. */
  #prune(key: string): void {
    const open = [key];
    for (let id = open.pop(); id !== undefined; id = open.pop()) {
      const entry = this.#entries.get(id);
      if (entry === undefined || entry.results.size > 0 || entry.links.size > 0) continue;
      this.#entries.delete(id);
      for (const { from, link } of entry.from.values()) {
        this.#unlink(from, link, id);
        open.push(from);
      }
    }
  }

  #unlink(from: string, link: KeyLink, to: string): void {
    const links = this.#entries.get(from)?.links;
    const targets = links?.get(linkName(link))?.to;
    targets?.delete(to);
    if (targets?.size === 0) links?.delete(linkName(link));
  }
}
