import type { FileHandle } from "node:fs/promises";
import { type Digest, VarveError, throwIfAborted } from "../core/index.ts";
import type { FileWriter } from "./file-writer.ts";

const CHUNK = 262_144;

export type TailEnd =
  | { readonly kind: "whole"; readonly digest: Digest }
  | { readonly kind: "broken"; readonly error: unknown };

/**
 * A file that one writes and others read behind it, each at its own pace: whoever reads slowly holds up nobody, and nothing
 * but the file is kept for him. The file is closed when the writer and all readers have ended.
 */
export class Tail {
  readonly #handle: FileHandle;
  readonly #writer: FileWriter;
  readonly #waiting = new Set<() => void>();
  #end: TailEnd | undefined;
  #readers = 0;
  #cuts = 0;

  constructor(handle: FileHandle, writer: FileWriter) {
    this.#handle = handle;
    this.#writer = writer;
  }

  /** How the writer ended, once it has. */
  get end(): TailEnd | undefined {
    return this.#end;
  }

  /** There is more to read. */
  grown(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  /** What was there is not any more: those who have read it get an error. */
  cut(): void {
    this.#cuts += 1;
    this.grown();
  }

  /** The writer is done. Readers get the rest if it is whole, and the error, at once, if it is not. */
  async close(end: TailEnd): Promise<void> {
    this.#end = end;
    this.grown();
    if (this.#readers === 0) await this.#handle.close();
  }

  /** All bytes from the first on; ends or throws as the writer did. Not to be begun after that. */
  async *read(what: string, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
    this.#readers += 1;
    const cuts = this.#cuts;
    try {
      for (let at = 0; ;) {
        throwIfAborted(signal, `read ${what}`);
        if (this.#end?.kind === "broken") throw this.#end.error;
        if (this.#cuts !== cuts) throw new VarveError("not-found", `Cannot read ${what}: it is written anew`);
        if (at < this.#writer.size) {
          const chunk = await this.#writer.read(at, CHUNK);
          at += chunk.byteLength;
          yield chunk;
        } else if (this.#end === undefined) await this.#growth(signal);
        else return;
      }
    } finally {
      this.#readers -= 1;
      if (this.#end !== undefined && this.#readers === 0) await this.#handle.close();
    }
  }

  async #growth(signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = (): void => resolve();
    this.#waiting.add(wake);
    signal?.addEventListener("abort", wake, { once: true });
    await promise;
    this.#waiting.delete(wake);
    signal?.removeEventListener("abort", wake);
  }
}
