import { closeSync } from "node:fs";
import { Socket } from "node:net";
import { pipe } from "../linux/index.ts";

/** The writing end of a pipe that a child process reads from. */
export interface InputPipe extends Disposable {
  /** Descriptor for the child. Call `closeReader` once the child has it. */
  readonly reader: number;
  closeReader(): void;
  /**
   * Writes all bytes and closes the pipe, as fast as the child reads. Stops when nobody reads any more and when the pipe is disposed
   * of. An error of the source ends the input.
   */
  feed(bytes: AsyncIterable<Uint8Array>): void;
}

/** Opens a pipe of the kernel for a child's input. Disposal closes both ends. */
export function inputPipe(): InputPipe {
  const { reader, writer } = pipe();
  const socket = socketOf(reader, writer);
  // A child that ends without reading its input is no error.
  socket.on("error", () => undefined);
  let open = true;
  const closeReader = (): void => {
    if (open) closeSync(reader);
    open = false;
  };
  return {
    reader,
    closeReader,
    feed: (bytes) => {
      write(socket, bytes).catch(() => undefined);
    },
    [Symbol.dispose]: () => {
      closeReader();
      socket.destroy();
    },
  };
}

async function write(socket: Socket, bytes: AsyncIterable<Uint8Array>): Promise<void> {
  try {
    for await (const chunk of bytes) {
      if (socket.destroyed) return;
      if (!socket.write(chunk)) await drained(socket);
    }
  } finally {
    socket.end();
  }
}

/** Settles when there is room for more, or when the socket is closed. */
async function drained(socket: Socket): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.once("drain", resolve).once("close", resolve);
  await promise;
  socket.off("drain", resolve).off("close", resolve);
}

/** Returns a socket for the writing end. Closes both ends if there can be none. */
function socketOf(reader: number, writer: number): Socket {
  try {
    return new Socket({ fd: writer, readable: false, writable: true });
  } catch (error) {
    closeSync(reader);
    closeSync(writer);
    throw error;
  }
}
