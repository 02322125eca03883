import type { VertexLogMessage, VertexMessage, VertexStatusMessage, VertexWarningMessage } from "./messages.ts";

/** One change of a build's status. */
export type StatusItem =
  | { readonly kind: "vertex"; readonly message: VertexMessage }
  | { readonly kind: "status"; readonly message: VertexStatusMessage }
  | { readonly kind: "warning"; readonly message: VertexWarningMessage }
  | { readonly kind: "log"; readonly message: VertexLogMessage };

interface Entry {
  readonly position: number;
  readonly size: number;
  /** Undefined if it was dropped. */
  item: StatusItem | undefined;
}

/** Bytes of output and warnings that are kept for readers. When they exceed it, the oldest are dropped. */
const MAX_OUTPUT = 64 * 1024 * 1024;

/** Bytes that an entry needs in memory besides its data. */
const OVERHEAD = 512;

/** Number of dropped entries that stay in the list at least until it is compacted. */
const SLACK = 1024;

/**
 * The changes of a build's status in order. Any number of readers read it, each at its own pace. Only the newest state of a status is
 * kept. Output and warnings are limited to 64 MiB. The number of vertices is that of the graph, and so is that of their states.
 */
export class Journal {
  #entries: Entry[] = [];
  readonly #statuses = new Map<string, Entry>();
  /** Output and warnings, oldest first. Those before `#oldest` are dropped. */
  #output: Entry[] = [];
  #oldest = 0;
  #outputSize = 0;
  #dropped = 0;
  #next = 0;

  /** The position of the next entry. */
  get end(): number {
    return this.#next;
  }

  append(item: StatusItem): void {
    const entry: Entry = { position: this.#next, size: sizeOf(item), item };
    this.#next += 1;
    this.#entries.push(entry);
    if (item.kind === "status") this.#replaceStatus(entry, `${item.message.vertex} ${item.message.id}`);
    if (item.kind === "log" || item.kind === "warning") this.#addOutput(entry);
    if (this.#dropped > SLACK && this.#dropped > this.#entries.length / 2) this.#compact();
  }

  /** Returns the entries from a position on. */
  from(position: number): StatusItem[] {
    const items: StatusItem[] = [];
    for (let index = this.#entries.length - 1; index >= 0; index -= 1) {
      const entry = this.#entries[index];
      if (entry === undefined || entry.position < position) break;
      if (entry.item !== undefined) items.push(entry.item);
    }
    return items.toReversed();
  }

  #replaceStatus(entry: Entry, key: string): void {
    const old = this.#statuses.get(key);
    if (old !== undefined) this.#drop(old);
    this.#statuses.set(key, entry);
  }

  #addOutput(entry: Entry): void {
    this.#output.push(entry);
    this.#outputSize += entry.size;
    while (this.#outputSize > MAX_OUTPUT && this.#oldest < this.#output.length - 1) {
      const oldest = this.#output[this.#oldest];
      this.#oldest += 1;
      if (oldest === undefined) continue;
      this.#outputSize -= oldest.size;
      this.#drop(oldest);
    }
  }

  #drop(entry: Entry): void {
    entry.item = undefined;
    this.#dropped += 1;
  }

  #compact(): void {
    this.#entries = this.#entries.filter(({ item }) => item !== undefined);
    this.#output = this.#output.slice(this.#oldest);
    this.#oldest = 0;
    this.#dropped = 0;
  }
}

/** Returns the number of bytes of an item, approximately: at least those of its encoded message. */
export function sizeOf({ kind, message }: StatusItem): number {
  switch (kind) {
    case "vertex":
      return OVERHEAD + 3 * (message.name.length + message.error.length) + 80 * message.inputs.length;
    case "status":
      return OVERHEAD + 3 * message.id.length;
    case "log":
      return OVERHEAD + message.msg.length;
    case "warning": {
      const texts = [message.short, ...message.detail, message.info?.data];
      return OVERHEAD + texts.reduce((sum, data) => sum + (data?.length ?? 0), 0) + 16 * message.ranges.length;
    }
  }
}
