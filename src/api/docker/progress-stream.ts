import type { HttpResponse } from "../http/index.ts";
import { VarveError, toVarveError } from "../../core/index.ts";
import { type OnWait, describeWait } from "../../io/index.ts";
import type { ProgressMessage } from "./build-request.ts";
import { responseMessage } from "./errors.ts";

export type Emit = (message: ProgressMessage) => void;

/** Returns a function that emits a status message for each wait, such as for a rate limit. */
export function waitStatus(emit: (message: { readonly status: string }) => void): OnWait {
  return (wait) => emit({ status: describeWait(wait) });
}

/** Maximum number of characters queued for a client that does not read. Exceeding it cancels the work. */
const MAX_WAITING = 67_108_864;

/**
 * Returns a response that streams the messages of `work`, each a JSON object followed by CRLF. Throws an error that `work`
 * throws before the first message; sends a later error as the last message. Cancels `work` when the client disconnects.
 */
export async function progressStream(
  signal: AbortSignal,
  work: (emit: Emit, signal: AbortSignal) => Promise<unknown>,
): Promise<HttpResponse> {
  const stream = new Messages(signal);
  stream.start(work);
  const first = await stream.next();
  if (first.kind === "failed") throw first.error;
  return {
    status: 200,
    headers: { "Content-Type": "application/json" },
    body: first.kind === "end" ? "" : stream.bytes(first.text),
  };
}

type Next =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "failed"; readonly error: unknown }
  | { readonly kind: "end" };

class Messages {
  readonly #client: AbortSignal;
  readonly #own = new AbortController();
  #waiting: string[] = [];
  #size = 0;
  #ended: Next | undefined;
  #wake: (() => void) | undefined;

  constructor(client: AbortSignal) {
    this.#client = client;
  }

  start(work: (emit: Emit, signal: AbortSignal) => Promise<unknown>): void {
    const signal = AbortSignal.any([this.#client, this.#own.signal]);
    const settle = (end: Next): void => {
      this.#ended = end;
      this.#wake?.();
    };
    work((message) => this.#push(message), signal).then(
      () => settle({ kind: "end" }),
      (error: unknown) => settle({ kind: "failed", error }),
    );
  }

  /** Waits for messages. Returns all that came since the last call, or the end. */
  async next(): Promise<Next> {
    while (this.#waiting.length === 0 && this.#ended === undefined)
      // oxlint-disable-next-line promise/avoid-new -- resolved by the next message or the end
      await new Promise<void>((resolve) => (this.#wake = resolve));
    if (this.#waiting.length === 0) return this.#ended ?? { kind: "end" };
    const text = this.#waiting.join("");
    this.#waiting = [];
    this.#size = 0;
    return { kind: "text", text };
  }

  /** Yields the messages until the work ends: a cancelled work still has to clean up. */
  async *bytes(first: string): AsyncGenerator<Uint8Array> {
    yield Buffer.from(first);
    for (;;) {
      const next = await this.next();
      if (next.kind === "text") yield Buffer.from(next.text);
      else if (next.kind === "end") return;
      else return yield Buffer.from(encode(failureMessage(next.error)));
    }
  }

  #push(message: ProgressMessage): void {
    const text = encode(message);
    this.#size += text.length;
    if (this.#size > MAX_WAITING)
      return this.#own.abort(
        new VarveError("cancelled", "Cannot send progress: the client does not read the response"),
      );
    this.#waiting.push(text);
    this.#wake?.();
  }
}

function encode(message: ProgressMessage): string {
  return `${JSON.stringify(message)}\r\n`;
}

/** Returns the last message of a failed stream. The docker command reads `errorDetail`; other clients read `error`. */
function failureMessage(thrown: unknown): ProgressMessage {
  const error = toVarveError(thrown, "go on");
  const message = responseMessage(error);
  const { exitCode } = error.details;
  return { errorDetail: { ...(typeof exitCode === "number" ? { code: exitCode } : {}), message }, error: message };
}
