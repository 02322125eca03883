import { type KeyChange, type KeyLink, RECORD_OUTPUT, recordDigest } from "../solver/index.ts";
import { SqliteKeyStore } from "./key-store.ts";

/**
 * The key store for whoever knows the digests of records and not those of ops, as cache documents have them: a link of the
 * output `RECORD_OUTPUT` is found whatever op it was saved for. The links of a key are read once; what another process adds
 * afterwards may be missed, which costs a second key for the same record, never a wrong one.
 */
export class RecordKeyStore extends SqliteKeyStore {
  /** Keys by the link that leads to them, by the key it comes from. */
  readonly #targets = new Map<string, Map<string, Set<string>>>();

  override links(key: string, link: KeyLink): string[] {
    if (link.output !== RECORD_OUTPUT) return super.links(key, link);
    return [...(this.#of(key).get(nameOf(link)) ?? [])];
  }

  override hasLink(from: string, link: KeyLink, to: string): boolean {
    if (link.output !== RECORD_OUTPUT) return super.hasLink(from, link, to);
    return this.#of(from).get(nameOf(link))?.has(to) === true;
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
  const name = nameOf(link);
  targets.set(name, (targets.get(name) ?? new Set()).add(to));
}

function nameOf({ input, digest, output, selector }: KeyLink): string {
  return `${input} ${selector} ${recordDigest(digest, output)}`;
}
