import { readdirSync } from "node:fs";
import { type ByteString, type Path, joinPath, pathOfByteString } from "../../linux/index.ts";

/** How many entries are handled before the event loop turns: about 2 ms of small files. */
const BATCH = 64;

/** Gives long runs of synchronous file calls a rhythm: yields to the event loop now and then, and heeds a signal. */
export class Pace {
  readonly #signal: AbortSignal | undefined;
  #count = 0;

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal;
  }

  /** Call once for each entry; await what it returns, if anything. */
  step(): Promise<void> | undefined {
    this.#count += 1;
    if (this.#count % BATCH !== 0) return undefined;
    this.#signal?.throwIfAborted();
    return new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
}

/** The names in a directory as byte strings, sorted bytewise, so that what is made of them is the same everywhere. */
export function listNames(directory: Path): ByteString[] {
  return readdirSync(directory, { encoding: "latin1" }).sort(compareBytes);
}

function compareBytes(a: ByteString, b: ByteString): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The path of an entry whose name is a byte string. */
export function entryPath(directory: Path, name: ByteString): Path {
  return joinPath(directory, pathOfByteString(name));
}
