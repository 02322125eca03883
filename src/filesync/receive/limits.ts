import { Limits, VarveError } from "../../core/index.ts";
import type { Stat } from "../wire/stat.ts";

/** Bounds on what a sender may send. */
export interface ReceiveLimits {
  /** Number of entries. */
  readonly entries: number;
  /** Bytes of all entries without their content: paths, targets of links, extended attributes. */
  readonly metadata: number;
  /** Bytes of the content of all files. */
  readonly content: number;
  /** Bytes of the extended attributes of one entry. Linux stores at most 64 KiB in most filesystems. */
  readonly xattrs: number;
}

export const receiveLimits: ReceiveLimits = {
  entries: 4_194_304,
  metadata: 536_870_912,
  content: Limits.layerUnpacked,
  xattrs: 1_048_576,
};

/** Counts what a sender sends. */
export class ReceiveCounts {
  readonly #limits: ReceiveLimits;
  #entries = 0;
  #metadata = 0;
  #content = 0;

  constructor(limits: ReceiveLimits) {
    this.#limits = limits;
  }

  /** Number of entries so far. */
  get entries(): number {
    return this.#entries;
  }

  /** Bytes of content so far. */
  get content(): number {
    return this.#content;
  }

  /**
   * Counts an entry.
   * @throws {VarveError} `limit-exceeded`
   */
  addEntry({ path, linkname, xattrs }: Stat): void {
    let attributes = 0;
    for (const [name, value] of xattrs) attributes += name.length + value.length;
    this.#entries += 1;
    this.#metadata += path.length + linkname.length + attributes;
    check(this.#entries, this.#limits.entries, "entries");
    check(this.#metadata, this.#limits.metadata, "bytes of metadata");
    check(attributes, this.#limits.xattrs, "bytes of extended attributes of one entry");
    check(linkname.length, Limits.path, "bytes in the target of a link");
  }

  /**
   * Counts a piece of content.
   * @throws {VarveError} `limit-exceeded`
   */
  addContent(size: number): void {
    this.#content += size;
    check(this.#content, this.#limits.content, "bytes of content");
  }
}

function check(value: number, limit: number, what: string): void {
  if (value > limit)
    throw new VarveError("limit-exceeded", `Cannot receive files: there are more than ${limit} ${what}`, {
      details: { limit },
    });
}
