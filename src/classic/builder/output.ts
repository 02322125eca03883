import { randomBytes } from "node:crypto";
import { type Digest, digestHex } from "../../core/index.ts";
import type { BuildMessage, Emit } from "./types.ts";

/** The first 12 digits of an id. */
export function shortId(id: Digest): string {
  return digestHex(id).slice(0, 12);
}

/** Characters of a quiet build's output that are kept for its failure. */
const MAX_KEPT = 16_777_216;

/** What a build tells: at once, or, where only the result is wanted, nothing unless it fails. */
export class Output {
  readonly #emit: Emit;
  readonly #kept: BuildMessage[] | undefined;
  #size = 0;

  constructor(emit: Emit, { quiet }: { readonly quiet: boolean }) {
    this.#emit = emit;
    this.#kept = quiet ? [] : undefined;
  }

  /** One message of a build's standard output. */
  readonly text = (stream: string): void => this.send({ stream });

  /** Standard error is red. */
  readonly red = (text: string): void => this.send({ stream: `\u001b[91m${text}\u001b[0m` });

  readonly send: Emit = (message) => {
    if (this.#kept === undefined) this.#emit(message);
    else this.#keep(message, this.#kept);
  };

  /** What the client of a quiet build is told in the end, alone. */
  result(stream: string): void {
    if (this.#kept !== undefined) this.#emit({ stream });
  }

  /** What a command printed first goes first where it printed too much. */
  #keep(message: BuildMessage, kept: BuildMessage[]): void {
    const sizeOf = (each: BuildMessage | undefined): number =>
      each !== undefined && "stream" in each ? each.stream.length : 0;
    kept.push(message);
    this.#size += sizeOf(message);
    while (this.#size > MAX_KEPT) this.#size -= sizeOf(kept.shift());
  }

  /** Tells what was kept back. */
  flush(): void {
    for (const message of this.#kept?.splice(0) ?? []) if (!("aux" in message)) this.#emit(message);
  }
}

/**
 * The containers of a build as its clients know them: an id while a step is made, a line when it goes. Nothing else is left
 * of a step here once it has ended, whether or not a client wants containers to be kept.
 */
export class Containers {
  readonly #output: Output;
  readonly #open: string[] = [];

  constructor(output: Output) {
    this.#output = output;
  }

  /** 64 digits. */
  create(): string {
    const id = randomBytes(32).toString("hex");
    this.#open.push(id);
    this.#output.text(` ---> Running in ${id.slice(0, 12)}\n`);
    return id;
  }

  removeAll(): void {
    for (const id of this.#open.splice(0))
      this.#output.text(` ---> Removed intermediate container ${id.slice(0, 12)}\n`);
  }
}
