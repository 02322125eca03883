import { type KeyChange, type KeyLink, RECORD_OUTPUT, recordDigest } from "../solver/index.ts";
import { SqliteKeyStore } from "./key-store.ts";

/**
 * The same key store for callers that know the digests of records but not of ops, such as importers of cache documents. A link
 * with the output `RECORD_OUTPUT` matches the links of any op that has this record. The links of a key are read once. Links that
 * another process adds later may be missed; that causes a second key for the same record, but never a wrong one.
 */
export class RecordKeyStore extends SqliteKeyStore {
  /** Target keys by `linkName`, by source key. */
  readonly #targets = new Map<string, Map<string, Set<string>>>();

  override links(key: string, link: KeyLink): string[] {
    if (link.output !== RECORD_OUTPUT) return super.links(key, link);
    return [...(this.#of(key).get(linkName(link)) ?? [])];
  }

  override hasLink(from: string, link: KeyLink, to: string): boolean {
    if (link.output !== RECORD_OUTPUT) return super.hasLink(from, link, to);
    return this.#of(from).get(linkName(link))?.has(to) === true;
  }

  override write(changes: readonly KeyChange[]): void {
    super.write(changes);
    for (const change of changes) {
      const known = change.kind === "link" ? this.#targets.get(change.from) : undefined;
      if (change.kind === "link" && known !== undefined) add(known, change.link, change.to);
    }
  }

  #of(key: string): Map<string, Set<string>> {
    const known = this.#targets.get(key);
    if (known !== undefined) return known;
    const targets = new Map<string, Set<string>>();
    for (const { link, to } of this.outgoing(key)) add(targets, link, to);
    this.#targets.set(key, targets);
    return targets;
  }
}

function add(targets: Map<string, Set<string>>, link: KeyLink, to: string): void {
  const name = linkName(link);
  targets.set(name, (targets.get(name) ?? new Set()).add(to));
}

function linkName({ input, digest, output, selector }: KeyLink): string {
  return `${input} ${selector} ${recordDigest(digest, output)}`;
}
