import type { FileHandle } from "node:fs/promises";
import { type Digest, VarveError, throwIfAborted } from "../core/index.ts";
import type { FileWriter } from "./file-writer.ts";

const CHUNK = 262_144;

export type TailEnd =
  | { readonly kind: "whole"; readonly digest: Digest }
  | { readonly kind: "broken"; readonly error: unknown };

/**
 * A file with one writer and any number of followers, each at its own pace. A slow follower delays nobody and needs no memory. The file is
 * closed when the writer and all followers have ended.
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

  /** How the writer ended; undefined before. */
  get end(): TailEnd | undefined {
    return this.#end;
  }

  /** Wakes followers: there are more bytes. */
  grown(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  /** The file was truncated: followers that read the removed bytes get an error. */
  cut(): void {
    this.#cuts += 1;
    this.grown();
  }

  /** The writer has ended. Followers get the remaining bytes after a commit, or the error immediately. */
  async close(end: TailEnd): Promise<void> {
    this.#end = end;
    this.grown();
    if (this.#readers === 0) await this.#handle.close();
  }

  /** Yields all bytes; ends or throws as the writer did. Do not call it after the end. */
  async *read(what: string, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
    this.#readers += 1;
    const cuts = this.#cuts;
    try {
      for (let at = 0; ;) {
        throwIfAborted(signal, `read ${what}`);
        if (this.#end?.kind === "broken") throw this.#end.error;
        if (this.#cuts !== cuts)
          throw new VarveError("not-found", `Cannot read ${what}: it was truncated and is written again`);
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
