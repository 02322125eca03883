import { VarveError } from "../core/index.ts";
import { type Bytes } from "../io/index.ts";
import {
  HttpFailure,
  type TransportResponse,
  failureError,
  isTransientFailure,
  pause,
  pauseBefore,
} from "../http/index.ts";
import type { HttpClient } from "./http-client.ts";
import type { OpenedObject } from "./object-store.ts";
import { infoOf } from "./response.ts";

/** How an object is read. */
export interface Reading {
  /** Opens the object again from a byte on. Returns undefined if it no longer exists. */
  readonly open: (offset: number) => Promise<TransportResponse | undefined>;
  readonly doing: string;
  readonly host: string;
  readonly signal: AbortSignal | undefined;
}

/** Opens an object at a byte, to be read as `resumed` does. Undefined if it does not exist. */
export async function openResumed(
  client: HttpClient,
  offset: number,
  reading: Reading,
): Promise<OpenedObject | undefined> {
  const first = await reading.open(offset);
  if (first === undefined) return undefined;
  return { info: infoOf(first), bytes: resumed(client, first, offset, reading) };
}

/** Yields the body of a response that starts at `offset`. After a broken connection it opens the object again where it broke off. */
export async function* resumed(
  client: HttpClient,
  first: TransportResponse,
  offset: number,
  { open, doing, host, signal }: Reading,
): AsyncGenerator<Uint8Array> {
  let response = first;
  let at = offset;
  for (let attempt = 1; ; attempt += 1) {
    const before = at;
    try {
      for await (const chunk of fromOffset(response, at)) {
        at += chunk.byteLength;
        yield chunk;
      }
      return;
    } catch (error) {
      if (!(error instanceof HttpFailure)) throw error;
      if (at > before) attempt = 1;
      if (!isTransientFailure(error) || attempt >= client.retry.attempts)
        throw failureError(error, doing, { host, attempt });
    } finally {
      await response.discard();
    }
    await pause(pauseBefore(client.retry, attempt), signal);
    const next = await open(at);
    if (next === undefined) throw new VarveError("not-found", `Cannot ${doing}: it no longer exists`);
    response = next;
  }
}

/** Skips the first bytes of a response to a server that ignores ranges. */
async function* fromOffset({ status, body }: TransportResponse, offset: number): Bytes {
  let skip = status === 200 ? offset : 0;
  for await (const chunk of body) {
    const rest = chunk.subarray(Math.min(skip, chunk.byteLength));
    skip -= chunk.byteLength - rest.byteLength;
    if (rest.byteLength > 0) yield rest;
  }
}
