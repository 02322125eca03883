import { readdirSync } from "node:fs";
import { type ByteString, type Path, joinPath, pathOfByteString } from "../../linux/index.ts";

/** Number of entries between two pauses: about 2 ms for small files. */
const BATCH = 64;

/** Yields to the event loop from time to time during many synchronous file operations, and checks a signal. */
export class Pace {
  readonly #signal: AbortSignal | undefined;
  #count = 0;

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal;
  }

  /** Call it once per entry. If it returns a promise, await it. Throws the reason of an aborted signal. */
  step(): Promise<void> | undefined {
    this.#count += 1;
    if (this.#count % BATCH !== 0) return undefined;
    this.#signal?.throwIfAborted();
    return new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
}

/** Returns the names in a directory as byte strings, sorted by their bytes. */
export function listNames(directory: Path): ByteString[] {
  return readdirSync(directory, { encoding: "latin1" }).sort(compareBytes);
}

function compareBytes(a: ByteString, b: ByteString): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Returns the path of an entry whose name is a byte string. */
export function entryPath(directory: Path, name: ByteString): Path {
  return joinPath(directory, pathOfByteString(name));
}
