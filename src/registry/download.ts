import { type Descriptor, type Reference, VarveError, throwIfAborted } from "../core/index.ts";
import type { Client } from "./client.ts";
import type { Endpoint } from "./endpoint.ts";
import { failureError, statusOf } from "./errors.ts";
import { HttpFailure, type HttpResponse, headerOf } from "./http.ts";
import { isTransientFailure, isTransientStatus, pause, pauseBefore, retryAfter } from "./retry.ts";
import { repositoryScope } from "./scope.ts";

export interface DownloadOptions {
  readonly offset: number;
  readonly signal: AbortSignal | undefined;
  /** Told when the connection broke and another try is made. */
  readonly onRetry: () => void;
}

/** Progress of at least this many bytes since the last failure makes the next one count as the first. */
const PROGRESS = 1_048_576;
const MAX_FAILURES = 50;
const MIRROR_ATTEMPTS = 2;

interface Verdict {
  /** Whether the same endpoint may be asked again. */
  readonly again: boolean;
  /** Milliseconds the server wants to be left alone. */
  readonly wait: number | undefined;
  readonly error: unknown;
}

function judge(error: unknown, doing: string, host: string): Verdict {
  if (error instanceof HttpFailure) {
    return { again: isTransientFailure(error), wait: undefined, error: failureError(error, doing, host) };
  }
  const after = error instanceof VarveError ? error.details["retryAfter"] : undefined;
  const status = statusOf(error);
  const failure = error instanceof VarveError ? error.details["failure"] : undefined;
  return {
    again: (status !== undefined && isTransientStatus(status)) || failure === "broken" || failure === "timeout",
    wait: typeof after === "string" ? retryAfter(after) : undefined,
    error,
  };
}

/** Where the bytes of a 200 or a 206 begin; throws if a 206 is of another range or another size than asked for. */
function startOf(response: HttpResponse, offset: number, size: number, doing: string): number {
  if (response.status === 200) return 0;
  const text = headerOf(response.headers, "content-range") ?? "";
  const match = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(text);
  const total = match?.[3];
  if (match === null || Number(match[1]) !== offset || (total !== "*" && Number(total) !== size)) {
    throw new VarveError("remote", `Cannot ${doing}: the registry sent another range than asked for`);
  }
  return offset;
}

/** One blob from the endpoints of a registry: passes the bytes on once each, whatever happens between. */
export class Download {
  readonly #client: Client;
  readonly #reference: Reference;
  readonly #descriptor: Descriptor;
  readonly #options: DownloadOptions;
  readonly #doing: string;
  /** The next byte to pass on. */
  #at: number;

  constructor(client: Client, reference: Reference, descriptor: Descriptor, options: DownloadOptions) {
    this.#client = client;
    this.#reference = reference;
    this.#descriptor = descriptor;
    this.#options = options;
    this.#at = options.offset;
    this.#doing = `read blob ${descriptor.digest} of ${reference.registry}/${reference.repository}`;
  }

  /** Never more than the descriptor's size; fewer only with an error. */
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
    const most = endpoint.mirrorOf === undefined ? retry.attempts : MIRROR_ATTEMPTS;
    let since = this.#at;
    let recent = 0;
    for (let failures = 1; ; failures += 1) {
      try {
        yield* this.#once(endpoint);
        return;
      } catch (error) {
        throwIfAborted(this.#options.signal, this.#doing);
        const verdict = judge(error, this.#doing, endpoint.name);
        recent = this.#at - since >= PROGRESS ? 1 : recent + 1;
        since = this.#at;
        const wait = Math.max(verdict.wait ?? 0, pauseBefore(retry, recent));
        if (!verdict.again || recent >= most || failures >= MAX_FAILURES || wait > retry.patience) throw verdict.error;
        this.#options.onRetry();
        await pause(wait, this.#options.signal);
      }
    }
  }

  async *#once(endpoint: Endpoint): AsyncGenerator<Uint8Array> {
    const { digest, size } = this.#descriptor;
    if (this.#at >= size) return;
    const offset = this.#at;
    const { repository } = this.#reference;
    const { signal } = this.#options;
    const url = await this.#client.urlOf(endpoint, `${repository}/blobs/${digest}`, "", signal);
    const request = {
      method: "GET" as const,
      url,
      headers: { accept: "*/*", ...(offset === 0 ? {} : { range: `bytes=${offset}-` }) },
      scopes: [repositoryScope(repository, "pull")],
      accept: offset === 0 ? [200] : [200, 206],
      doing: this.#doing,
      attempts: 1,
      signal,
    };
    const response = await this.#client.request(endpoint, request, (each) => Promise.resolve(each));
    try {
      yield* this.#pass(response, startOf(response, offset, size, this.#doing));
    } finally {
      await response.discard();
    }
  }

  /** Leaves out what has been passed on already, and holds the body to the size. */
  async *#pass(response: HttpResponse, start: number): AsyncGenerator<Uint8Array> {
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
