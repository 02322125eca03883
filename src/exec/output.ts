import { closeSync } from "node:fs";
import { Socket } from "node:net";
import type { Readable } from "node:stream";
import { errnoOf } from "../core/index.ts";
import { pipe } from "../linux/index.ts";

/** The reading end of a pipe that a child process writes to. It buffers at most one chunk ahead of its reader. */
export interface OutputPipe extends Disposable {
  /** Descriptor for the child. Call `closeWriter` once the child has it. */
  readonly writer: number;
  closeWriter(): void;
  /** Passes each chunk to `listener` and waits for it. Settles when every writer has closed or the pipe is disposed of. */
  pump(listener: (chunk: Uint8Array) => void | Promise<void>): Promise<void>;
}

/** Opens a pipe of the kernel for a child's output. Disposal closes both ends. */
export function outputPipe(): OutputPipe {
  const { reader, writer } = pipe();
  const socket = socketOf(reader, writer);
  // Before `pump`, an error has no other listener and would end the process.
  socket.on("error", () => undefined);
  socket.pause();
  let open = true;
  const closeWriter = (): void => {
    if (open) closeSync(writer);
    open = false;
  };
  return {
    writer,
    closeWriter,
    pump: (listener) => pumpOutput(socket, listener),
    [Symbol.dispose]: () => {
      closeWriter();
      socket.destroy();
    },
  };
}

/** Passes each chunk of a socket to `listener` and waits for it. Settles at the end of the output, or when the socket is destroyed. */
export async function pumpOutput(
  socket: Readable,
  listener: (chunk: Uint8Array) => void | Promise<void>,
): Promise<void> {
  for await (const chunk of chunksOf(socket)) await listener(chunk);
}

/** How output ends: as a stream that was destroyed, or as a terminal that no process has open. */
const ENDS: ReadonlySet<unknown> = new Set(["ERR_STREAM_PREMATURE_CLOSE", "EIO"]);

async function* chunksOf(socket: Readable): AsyncGenerator<Uint8Array> {
  const chunks: AsyncIterable<Uint8Array> = socket;
  try {
    yield* chunks;
  } catch (error) {
    if (!ENDS.has(errnoOf(error))) throw error;
  }
}

/** Returns a socket for the reading end. Closes both ends if there can be none. */
function socketOf(reader: number, writer: number): Socket {
  try {
    return new Socket({ fd: reader, readable: true, writable: false });
  } catch (error) {
    closeSync(reader);
    closeSync(writer);
    throw error;
  }
}
