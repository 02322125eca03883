import type { ByteString } from "../../linux/index.ts";

/** The paths that a hard link may name. Few listings have links, so that a set of the paths is made when the first link comes. */
export class LinkTargets {
  readonly #paths = new Set<ByteString>();
  #added: ByteString[] = [];

  add(path: ByteString): void {
    this.#added.push(path);
  }

  has(path: ByteString): boolean {
    for (const added of this.#added) this.#paths.add(added);
    this.#added = [];
    return this.#paths.has(path);
  }
}
