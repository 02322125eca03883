import { constants, createWriteStream, openSync } from "node:fs";
import { stat } from "node:fs/promises";
import { Socket, connect } from "node:net";
import type { Writable } from "node:stream";
import { finished } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { errnoOf, throwIfAborted } from "../core/index.ts";
import type { Bytes } from "./bytes.ts";

/** Milliseconds between checks for a reader of a named pipe. */
const POLL = 50;

/** Writes bytes into the existing target of a path: a device, a named pipe, a socket, or a file, which is truncated first. */
export async function writeThrough(path: string, bytes: Bytes, signal?: AbortSignal): Promise<void> {
  const stream = await openSink(path, signal);
  try {
    await pour(bytes, stream, signal);
    await finished(stream.end());
  } finally {
    stream.destroy();
  }
}

async function openSink(path: string, signal: AbortSignal | undefined): Promise<Writable> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isFIFO() === true) return await openPipe(path, signal);
  return found?.isSocket() === true ? connect(path) : createWriteStream(path);
}

/**
 * Waits for a reader. Opening the pipe without O_NONBLOCK would block a thread of Node's pool, and the process could not exit before a
 * reader came.
 */
async function openPipe(path: string, signal: AbortSignal | undefined): Promise<Socket> {
  for (;;) {
    throwIfAborted(signal, `wait for a reader of ${path}`);
    try {
      const fd = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
      return new Socket({ fd, readable: false, writable: true });
    } catch (error) {
      if (errnoOf(error) !== "ENXIO") throw error;
    }
    await sleep(POLL, undefined, { signal }).catch(() => undefined);
  }
}

/** Writes bytes to a stream with back-pressure, and leaves it open. */
export async function pour(bytes: Bytes, stream: NodeJS.WritableStream, signal?: AbortSignal): Promise<void> {
  const ended = Promise.withResolvers<never>();
  ended.promise.catch(() => undefined);
  const abort = (): void => ended.reject(signal?.reason);
  stream.once("error", ended.reject);
  signal?.addEventListener("abort", abort, { once: true });
  try {
    for await (const chunk of bytes) {
      throwIfAborted(signal, "write");
      if (!stream.write(chunk)) await Promise.race([drained(stream), ended.promise]);
    }
  } finally {
    stream.removeListener("error", ended.reject);
    signal?.removeEventListener("abort", abort);
  }
}

async function drained(stream: NodeJS.WritableStream): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  stream.once("drain", resolve);
  await promise;
}
