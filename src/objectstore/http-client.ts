import type { VarveError } from "../core/index.ts";
import {
  DEFAULT_RETRY,
  HttpFailure,
  NodeTransport,
  type RetryPolicy,
  type Timeouts,
  TlsTrust,
  type TransportRequest,
  type TransportResponse,
  failureError,
  headerOf,
  isTransientFailure,
  isTransientStatus,
  pause,
  pauseBefore,
  proxyFromEnvironment,
  retryAfter,
} from "../http/index.ts";
import { FIRST_NOTICE, collect, quietReporter } from "../io/index.ts";
import type { Asking } from "./object-store.ts";
import type { Throttle } from "./throttle.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** What callers may choose. */
export interface HttpLimits {
  /** Maximum number of attempts of a request. Default: 5. */
  readonly attempts?: number | undefined;
  /** Longest wait for data, in milliseconds. Default: one minute, two for requests that write. */
  readonly idleTimeout?: number | undefined;
}

/** Returns options of a client with these limits. */
export function limited({ attempts, idleTimeout }: HttpLimits): Pick<HttpClientOptions, "retry" | "timeouts"> {
  return {
    ...(attempts === undefined ? {} : { retry: { attempts } }),
    ...(idleTimeout === undefined ? {} : { timeouts: { idle: idleTimeout } }),
  };
}

export interface HttpClientOptions {
  readonly env: Environment;
  readonly timeouts?: Partial<Timeouts> | undefined;
  readonly retry?: Partial<RetryPolicy> | undefined;
  /** Decides about requests that the server throttles (429). Default: they are retried as others are. */
  readonly throttle?: Throttle | undefined;
}

/** One request. It is prepared again for each attempt, because signatures contain the time. */
export interface HttpExchange extends Asking {
  readonly prepare: () => Promise<Omit<TransportRequest, "signal" | "onQuiet">>;
  /** Statuses that are returned to the caller. */
  readonly accept: readonly number[];
  /** For messages: `read s3://bucket/key`. */
  readonly doing: string;
  /** Explains a response without success. Reads or discards its body. */
  readonly explain: (response: TransportResponse, doing: string, attempt: number) => Promise<Refusal>;
}

/** A response with its whole body. */
export interface HttpAnswer extends Pick<TransportResponse, "status" | "headers"> {
  readonly text: string;
}

/** A response without success. */
export interface Refusal {
  readonly error: VarveError;
  /** True if the request can succeed when it is prepared again, for example with other credentials. Honoured once. */
  readonly mend?: boolean | undefined;
}

const TIMEOUTS: Timeouts = { connect: 30_000, idle: 60_000, notice: FIRST_NOTICE };
/** Maximum number of concurrent requests to one store. */
const SOCKETS = 24;

/** Sends requests to the HTTP API of a store, and retries what can be retried. */
export class HttpClient implements Disposable {
  readonly retry: RetryPolicy;
  readonly #transport: NodeTransport;
  readonly #throttle: Throttle | undefined;

  constructor({ env, timeouts, retry, throttle }: HttpClientOptions) {
    this.#throttle = throttle;
    this.retry = { ...DEFAULT_RETRY, ...retry };
    this.#transport = new NodeTransport({
      trust: new TlsTrust(() => undefined),
      proxy: proxyFromEnvironment(env),
      timeouts: { ...TIMEOUTS, ...timeouts },
      sockets: SOCKETS,
    });
  }

  /** Returns the first accepted response; its body must be read or discarded. */
  async send(exchange: HttpExchange): Promise<TransportResponse> {
    let mended = false;
    const throttled = this.#throttle?.request();
    for (let attempt = 1; ; attempt += 1) {
      await this.#throttle?.ready(exchange.signal);
      const outcome = await this.#attempt(exchange, attempt);
      if (outcome.kind === "answer") {
        this.#throttle?.succeeded();
        return outcome.response;
      }
      if (throttled !== undefined && outcome.status === 429) {
        const ms = throttled.refused(outcome.error, outcome.wait);
        const { host } = (await exchange.prepare()).url;
        exchange.onWait?.({ state: "pause", host, ms, attempt, attempts: this.retry.attempts });
        await pause(ms, exchange.signal);
        attempt -= 1;
        continue;
      }
      const isMended = outcome.mend && !mended;
      mended ||= outcome.mend;
      const wait = outcome.wait ?? pauseBefore(this.retry, attempt);
      if (isMended) continue;
      if (!outcome.again || attempt >= this.retry.attempts || wait > this.retry.patience) throw outcome.error;
      const { host } = (await exchange.prepare()).url;
      exchange.onWait?.({ state: "pause", host, ms: wait, attempt, attempts: this.retry.attempts });
      await pause(wait, exchange.signal);
    }
  }

  /** Returns the first accepted response with its whole body, of at most `limit` bytes. Reading the body is part of each attempt. */
  async answer(exchange: HttpExchange, limit: number): Promise<HttpAnswer> {
    for (let attempt = 1; ; attempt += 1) {
      const { status, headers, body } = await this.send(exchange);
      try {
        return { status, headers, text: (await collect(body, limit, { what: "an answer" })).toString("utf8") };
      } catch (error) {
        if (!(error instanceof HttpFailure)) throw error;
        if (!isTransientFailure(error) || attempt >= this.retry.attempts) {
          const { host } = (await exchange.prepare()).url;
          throw failureError(error, exchange.doing, { host, attempt });
        }
      }
      await pause(pauseBefore(this.retry, attempt), exchange.signal);
    }
  }

  async #attempt(exchange: HttpExchange, attempt: number): Promise<Outcome> {
    const { doing, signal, onWait } = exchange;
    const request = await exchange.prepare();
    try {
      const onQuiet = quietReporter(onWait, request.url.host);
      const response = await this.#transport.send({ ...request, signal, onQuiet });
      if (exchange.accept.includes(response.status)) return { kind: "answer", response };
      const { error, mend = false } = await exchange.explain(response, doing, attempt);
      const wait = retryAfter(headerOf(response.headers, "retry-after"));
      const { status } = response;
      return { kind: "failure", error, mend, again: isTransientStatus(status), wait, status };
    } catch (error) {
      if (!(error instanceof HttpFailure)) throw error;
      const failure = failureError(error, doing, { host: request.url.host, attempt });
      return {
        kind: "failure",
        error: failure,
        mend: false,
        again: isTransientFailure(error),
        wait: undefined,
        status: undefined,
      };
    }
  }

  /** Closes the idle connections. */
  [Symbol.dispose](): void {
    this.#transport[Symbol.dispose]();
  }
}

type Outcome =
  | { readonly kind: "answer"; readonly response: TransportResponse }
  | {
      readonly kind: "failure";
      readonly error: VarveError;
      readonly mend: boolean;
      readonly again: boolean;
      /** Milliseconds that the server asked for. */
      readonly wait: number | undefined;
      readonly status: number | undefined;
    };
