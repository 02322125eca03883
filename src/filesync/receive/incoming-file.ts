import { closeSync, write, writevSync } from "node:fs";
import { promisify } from "node:util";
import type { CreatedFile, TreeWriter, WantedFile } from "./tree-writer.ts";

const writeAsync = promisify(write);
/** Bytes of a file that are kept in memory. A smaller file is written at its end by one call. */
const BUFFER = 131_072;
/** Bytes of all files that wait to be written before the sender has to wait. */
const MAX_BACKLOG = 8_388_608;

/** What all files of a transfer share. */
export interface IncomingContext {
  readonly writer: TreeWriter;
  /** Bytes of all files that wait to be written. */
  backlog: number;
  /** Called with the first error of a write to a file. Nothing more is written to it. */
  readonly onError: (error: unknown) => void;
}

/** A file while its content arrives. */
export class IncomingFile implements AsyncDisposable {
  readonly #wanted: WantedFile;
  readonly #context: IncomingContext;
  #chunks: Uint8Array[] = [];
  #buffered = 0;
  #created: CreatedFile | undefined;
  /** Settles when everything that was flushed is written. Never rejects. */
  #writing: Promise<void> = Promise.resolve();
  #failed = false;

  constructor(wanted: WantedFile, context: IncomingContext) {
    this.#wanted = wanted;
    this.#context = context;
  }

  /** Appends content. Await the result, if there is one, before the next piece is received. */
  write(data: Uint8Array): Promise<void> | undefined {
    this.#chunks.push(data);
    this.#buffered += data.length;
    if (this.#buffered < BUFFER) return undefined;
    this.#flush();
    return this.#context.backlog > MAX_BACKLOG ? this.#writing : undefined;
  }

  /** Completes the file. It has its name and its metadata then. */
  async end(): Promise<void> {
    const { writer } = this.#context;
    if (this.#created !== undefined) {
      this.#flush();
      await this.#writing;
      if (this.#failed) return;
    } else if (writer.hasContent(this.#wanted, this.#chunks)) return;
    const created = this.#create();
    writeAllSync(created.fd, this.#chunks);
    this.#chunks = [];
    closeSync(created.fd);
    this.#created = { ...created, fd: CLOSED };
    await writer.complete(this.#wanted, created);
    this.#created = undefined;
  }

  /** Removes the file if it is not complete. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#failed = true;
    await this.#writing;
    const created = this.#created;
    if (created === undefined) return;
    this.#created = undefined;
    if (created.fd !== CLOSED) closeSync(created.fd);
    this.#context.writer.discard(this.#wanted, created);
  }

  #create(): CreatedFile {
    return (this.#created ??= this.#context.writer.create(this.#wanted));
  }

  #flush(): void {
    const { fd } = this.#create();
    const [only] = this.#chunks;
    const bytes = only !== undefined && this.#chunks.length === 1 ? only : Buffer.concat(this.#chunks, this.#buffered);
    this.#chunks = [];
    this.#buffered = 0;
    this.#context.backlog += bytes.length;
    this.#writing = this.#writeAfter(this.#writing, fd, bytes);
  }

  async #writeAfter(before: Promise<void>, fd: number, bytes: Uint8Array): Promise<void> {
    await before;
    try {
      for (let at = 0; at < bytes.length && !this.#failed;) at += (await writeAsync(fd, bytes, at)).bytesWritten;
    } catch (error) {
      this.#failed = true;
      this.#context.onError(error);
    }
    this.#context.backlog -= bytes.length;
  }
}

const CLOSED = -1;

function writeAllSync(fd: number, chunks: readonly Uint8Array[]): void {
  const size = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  if (size === 0) return;
  const written = writevSync(fd, chunks);
  if (written < size) writeAllSync(fd, [Buffer.concat(chunks, size).subarray(written)]);
}
