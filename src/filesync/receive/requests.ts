import { VarveError } from "../../core/index.ts";
import type { PacketStream } from "../stream.ts";
import { type IncomingContext, IncomingFile } from "./incoming-file.ts";
import type { TreeWriter, WantedFile } from "./tree-writer.ts";

/** Maximum number of files that are requested at the same time. */
const MAX_REQUESTS = 256;

/** Number of files that were taken from the queue before their memory is freed. */
const MAX_TAKEN = 16_384;

/** The files whose content is needed: those that wait, and those that were requested. */
export class Requests implements AsyncDisposable {
  readonly #packets: PacketStream;
  readonly #context: IncomingContext;
  readonly #requested = new Map<number, IncomingFile>();
  #waiting: WantedFile[] = [];
  /** The index of the first of those that wait. */
  #first = 0;
  #count = 0;

  constructor(packets: PacketStream, writer: TreeWriter) {
    this.#packets = packets;
    this.#context = { writer, backlog: 0, onError: (error) => packets.fail(error) };
  }

  /** Number of files that were requested so far. */
  get count(): number {
    return this.#count;
  }

  /** True if no content is needed any more. */
  get isEmpty(): boolean {
    return this.#requested.size === 0 && this.#first === this.#waiting.length;
  }

  add(file: WantedFile): void {
    this.#waiting.push(file);
    this.#send();
  }

  /** Takes a piece of the content of a file. No data: its end. */
  receive(id: number, data: Uint8Array): Promise<void> | undefined {
    const file = this.#requested.get(id);
    if (file === undefined) throw new VarveError("corrupt", `invalid file request ${id}`);
    return data.length > 0 ? file.write(data) : this.#end(id, file);
  }

  async #end(id: number, file: IncomingFile): Promise<void> {
    await file.end();
    this.#requested.delete(id);
    this.#send();
  }

  /** Removes what is not complete. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const file of this.#requested.values()) await file[Symbol.asyncDispose]();
    this.#requested.clear();
  }

  #send(): void {
    while (this.#requested.size < MAX_REQUESTS) {
      const file = this.#next();
      if (file === undefined) return;
      this.#count += 1;
      this.#requested.set(file.id, new IncomingFile(file, this.#context));
      void this.#packets.send({ type: "request", id: file.id });
    }
  }

  #next(): WantedFile | undefined {
    const file = this.#waiting[this.#first];
    if (file === undefined) return undefined;
    this.#first += 1;
    if (this.#first === MAX_TAKEN) {
      this.#waiting = this.#waiting.slice(MAX_TAKEN);
      this.#first = 0;
    }
    return file;
  }
}
