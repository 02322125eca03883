import { randomBytes } from "node:crypto";
import { type Digest, digestHex } from "../../core/index.ts";
import type { BuildMessage, Emit } from "./types.ts";

/** Returns the first 12 digits of an id. */
export function shortId(id: Digest): string {
  return digestHex(id).slice(0, 12);
}

/** Maximum number of characters of a quiet build's output that are buffered. */
const MAX_KEPT = 16_777_216;

/** Sends a build's messages to the client. For a quiet build, buffers them and sends them only if the build fails. */
export class Output {
  readonly #emit: Emit;
  readonly #kept: BuildMessage[] | undefined;
  #size = 0;

  constructor(emit: Emit, { quiet }: { readonly quiet: boolean }) {
    this.#emit = emit;
    this.#kept = quiet ? [] : undefined;
  }

  /** Sends text of standard output. */
  readonly text = (stream: string): void => this.send({ stream });

  /** Sends text of standard error, in red. */
  readonly red = (text: string): void => this.send({ stream: `\u001b[91m${text}\u001b[0m` });

  readonly send: Emit = (message) => {
    if (this.#kept === undefined) this.#emit(message);
    else this.#keep(message, this.#kept);
  };

  /** Sends the result of a quiet build: its only message. */
  result(stream: string): void {
    if (this.#kept !== undefined) this.#emit({ stream });
  }

  /** Buffers a message. Drops the oldest messages if there are too many. */
  #keep(message: BuildMessage, kept: BuildMessage[]): void {
    kept.push(message);
    this.#size += sizeOf(message);
    while (this.#size > MAX_KEPT) this.#size -= sizeOf(kept.shift());
  }

  /** Sends the buffered messages, except the IDs of images. */
  flush(): void {
    for (const message of this.#kept?.splice(0) ?? [])
      if (!("aux" in message) || typeof message.aux === "string") this.#emit(message);
  }
}

function sizeOf(message: BuildMessage | undefined): number {
  if (message === undefined) return 0;
  if ("stream" in message) return message.stream.length;
  return "aux" in message && typeof message.aux === "string" ? message.aux.length : 0;
}

/**
 * The containers of a build as clients see them: messages with ids. A container exists only while its step runs, even if the
 * client asks to keep containers.
 */
export class Containers {
  readonly #output: Output;
  readonly #open: string[] = [];

  constructor(output: Output) {
    this.#output = output;
  }

  /** Reports a new container. Returns its id of 64 hexadecimal digits. */
  create(): string {
    const id = randomBytes(32).toString("hex");
    this.#open.push(id);
    this.#output.text(` ---> Running in ${id.slice(0, 12)}\n`);
    return id;
  }

  /** Reports that all containers were removed. */
  removeAll(): void {
    for (const id of this.#open.splice(0))
      this.#output.text(` ---> Removed intermediate container ${id.slice(0, 12)}\n`);
  }
}
