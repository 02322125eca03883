import { fileURLToPath } from "node:url";
import { sh } from "../testing/varve.ts";

/** What a process took. */
export interface Taken {
  /** The longest that its main thread could not attend to anything else, in milliseconds. */
  readonly stall: number;
  /** Most memory at once, in bytes. */
  readonly peak: number;
  /** Processor time, in seconds. */
  readonly cpu: number;
}

const MAIN = fileURLToPath(new URL("./layer-process-main.ts", import.meta.url));

/** Has a new process do a piece of work: `createBlob`, `unpackBlob`, or nothing for a while. */
export async function inProcess(kind: "create" | "unpack" | "idle", ...args: readonly string[]): Promise<Taken> {
  return JSON.parse(await sh(process.execPath, MAIN, kind, ...args)) as Taken;
}
