import { type Descriptor, type Reference, VarveError, isVarveError, throwIfAborted } from "../../core/index.ts";
import type { Wait } from "../../io/index.ts";
import type { Client, RequestOptions } from "../transport/client.ts";
import { type Endpoint, triesOf } from "../transport/endpoint.ts";
import {
  failureError,
  headerOf,
  HttpFailure,
  isTransientFailure,
  isTransientStatus,
  pause,
  pauseBefore,
  retryAfter,
  statusOf,
  type TransportResponse,
  TryCount,
} from "../../http/index.ts";
import { repositoryScope } from "../auth/scope.ts";

export interface DownloadOptions extends RequestOptions {
  readonly offset: number;
  /** Called before a retry after a broken connection. */
  readonly onRetry: () => void;
}

/** Progress of at least this many bytes resets the number of attempts. */
const PROGRESS = 1_048_576;
const MAX_FAILURES = 50;

interface Verdict {
  /** True if the same endpoint may be asked again. */
  readonly again: boolean;
  readonly timedOut: boolean;
  /** Pause that the server asked for, in milliseconds. */
  readonly wait: number | undefined;
  readonly error: unknown;
}

function judge(error: unknown, doing: string, at: { readonly host: string; readonly attempt: number }): Verdict {
  if (error instanceof HttpFailure) {
    const timedOut = error.kind === "timeout";
    return { again: isTransientFailure(error), timedOut, wait: undefined, error: failureError(error, doing, at) };
  }
  const after = isVarveError(error) ? error.details.retryAfter : undefined;
  const status = statusOf(error);
  const { failure, tries } = isVarveError(error) ? error.details : {};
  // The request for a token has retried already.
  const isFirst = tries === undefined || tries === 1;
  return {
    timedOut: failure === "timeout",
    again:
      isFirst && ((status !== undefined && isTransientStatus(status)) || failure === "broken" || failure === "timeout"),
    wait: typeof after === "string" ? retryAfter(after) : undefined,
    error,
  };
}

/** Returns where the bytes of a 200 or 206 response begin; throws if a 206 has another range or size than requested. */
function startOf(response: TransportResponse, offset: number, size: number, doing: string): number {
  if (response.status === 200) return 0;
  const text = headerOf(response.headers, "content-range") ?? "";
  const match = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(text);
  const total = match?.[3];
  if (match === null || Number(match[1]) !== offset || (total !== "*" && Number(total) !== size)) {
    throw new VarveError("remote", `Cannot ${doing}: the registry sent another range than requested`);
  }
  return offset;
}

/** The download of one blob from the endpoints of a registry: yields each byte once, over all retries. */
export class Download {
  readonly #client: Client;
  readonly #reference: Reference;
  readonly #descriptor: Descriptor;
  readonly #options: DownloadOptions;
  readonly #doing: string;
  /** Position of the next byte to yield. */
  #at: number;

  constructor(client: Client, reference: Reference, descriptor: Descriptor, options: DownloadOptions) {
    this.#client = client;
    this.#reference = reference;
    this.#descriptor = descriptor;
    this.#options = options;
    this.#at = options.offset;
    this.#doing = `read blob ${descriptor.digest} of ${reference.registry}/${reference.repository}`;
  }

  /** Yields exactly the descriptor's size, or throws. */
  async *bytes(endpoints: readonly Endpoint[]): AsyncGenerator<Uint8Array> {
    let last: unknown;
    for (const endpoint of endpoints) {
      try {
        return yield* this.#from(endpoint);
      } catch (error) {
        throwIfAborted(this.#options.signal, this.#doing);
        last = error;
      }
    }
    throw last;
  }

  async *#from(endpoint: Endpoint): AsyncGenerator<Uint8Array> {
    const { retry } = this.#client;
    const tries = triesOf(retry, endpoint);
    let since = this.#at;
    let count = new TryCount(tries);
    for (let failures = 1; ; failures += 1) {
      try {
        yield* this.#once(endpoint, () => count.current);
        return;
      } catch (error) {
        throwIfAborted(this.#options.signal, this.#doing);
        if (this.#at - since >= PROGRESS) count = new TryCount(tries);
        since = this.#at;
        const { attempt } = count.current;
        const verdict = judge(error, this.#doing, { host: endpoint.name, attempt });
        const wait = Math.max(verdict.wait ?? 0, pauseBefore(retry, attempt));
        const isLast = failures >= MAX_FAILURES || wait > retry.patience;
        if (!verdict.again || isLast || !count.next(verdict)) throw verdict.error;
        this.#options.onRetry();
        await pause(wait, this.#options.signal);
      }
    }
  }

  async *#once(endpoint: Endpoint, current: () => TryCount["current"]): AsyncGenerator<Uint8Array> {
    const { digest, size } = this.#descriptor;
    if (this.#at >= size) return;
    const offset = this.#at;
    const { repository } = this.#reference;
    const { signal, onWait } = this.#options;
    const report = onWait && ((wait: Wait) => onWait(wait.attempts === 1 ? { ...wait, ...current() } : wait));
    const asking = { signal, onWait: report };
    const url = await this.#client.urlOf(endpoint, `${repository}/blobs/${digest}`, "", asking);
    const request = {
      method: "GET" as const,
      url,
      headers: { accept: "*/*", ...(offset === 0 ? {} : { range: `bytes=${offset}-` }) },
      scopes: [repositoryScope(repository, "pull")],
      accept: offset === 0 ? [200] : [200, 206],
      doing: this.#doing,
      attempts: 1,
      ...asking,
    };
    const response = await this.#client.request(endpoint, request, (each) => Promise.resolve(each));
    try {
      yield* this.#pass(response, startOf(response, offset, size, this.#doing));
    } finally {
      await response.discard();
    }
  }

  /** Skips bytes that were yielded before, and limits the body to the size. */
  async *#pass(response: TransportResponse, start: number): AsyncGenerator<Uint8Array> {
    const { size } = this.#descriptor;
    let position = start;
    for await (const chunk of response.body) {
      if (position + chunk.byteLength > size) {
        throw new VarveError("corrupt", `Cannot ${this.#doing}: it is longer than ${size} bytes`, {
          details: { digest: this.#descriptor.digest, size },
        });
      }
      const fresh = chunk.subarray(Math.min(chunk.byteLength, Math.max(0, this.#at - position)));
      position += chunk.byteLength;
      if (fresh.byteLength === 0) continue;
      this.#at += fresh.byteLength;
      yield fresh;
    }
    if (this.#at < size) throw new HttpFailure("broken", `${this.#at} of ${size} bytes arrived`);
  }
}
