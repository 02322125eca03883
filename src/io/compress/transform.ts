import type { Readable, Writable } from "node:stream";
import { setImmediate } from "node:timers/promises";
import type { Bytes } from "../bytes.ts";

/** The two ends of a transformation: the same object for a Node transform, two pipes for a process. */
export interface Ends {
  readonly input: Writable;
  readonly output: Readable;
}

/** Converts an error of the transform. Errors of the source are thrown unchanged. */
export type TransformError = (error: unknown) => unknown;

/** Counts the bytes that were written to the transform. */
export interface Fed {
  bytes: number;
}

/**
 * Passes a stream through a Node transform: the adapter between pulled and pushed bytes. The transform keeps a chunk until it
 * has used it, so a source must not write to a chunk it has handed out.
 */
export async function* through(
  source: Bytes,
  { input, output }: Ends,
  onError: TransformError,
  fed: Fed = { bytes: 0 },
): AsyncGenerator<Uint8Array> {
  const feeder = feed(source, input, output, fed);
  try {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- zlib transforms and the output of processes give buffers
    for await (const chunk of output) yield chunk as Uint8Array;
    feeder.throwFailure();
  } catch (error) {
    feeder.throwFailure();
    throw onError(error);
  } finally {
    input.destroy();
    output.destroy();
    await feeder.release();
  }
}

interface Feeder {
  /** Throws the error of the source, if there was one. */
  throwFailure(): void;
  /** Waits until the source is released. A source that waits for long is released when its wait ends. */
  release(): Promise<void>;
}

function feed(source: Bytes, input: Writable, output: Readable, fed: Fed): Feeder {
  let failure: { readonly error: unknown } | undefined;
  let pulling = true;
  const closed = new Promise<void>((resolve) => {
    input.once("close", resolve);
  });
  const write = (chunk: Uint8Array): Promise<void> =>
    new Promise((resolve) => {
      input.write(chunk, () => resolve());
    });
  const push = async (): Promise<void> => {
    let previous: Promise<void> | undefined;
    for await (const chunk of source) {
      pulling = false;
      fed.bytes += chunk.byteLength;
      const writing = chunk.byteLength > 0 && !input.destroyed ? write(chunk) : undefined;
      await Promise.race([previous, closed]);
      if (input.destroyed) return;
      previous = writing;
      pulling = true;
    }
    pulling = false;
    // The transform then sees the end separately from the last chunk, so that its result does not depend on timing.
    await Promise.race([previous, closed]);
    input.end();
  };
  const feeding = push()
    .catch((error: unknown) => {
      failure = { error };
      input.destroy();
      output.destroy();
    })
    .finally(() => {
      pulling = false;
    });
  return {
    throwFailure: () => {
      if (failure !== undefined) throw failure.error;
    },
    release: async () => {
      await (pulling ? Promise.race([feeding, setImmediate()]) : feeding);
    },
  };
}
