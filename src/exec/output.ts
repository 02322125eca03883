import { closeSync } from "node:fs";
import { Socket } from "node:net";
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
  const chunks: AsyncIterable<Uint8Array> = socket;
  socket.pause();
  let open = true;
  const closeWriter = (): void => {
    if (open) closeSync(writer);
    open = false;
  };
  return {
    writer,
    closeWriter,
    pump: async (listener) => {
      for await (const chunk of chunks) await listener(chunk);
    },
    [Symbol.dispose]: () => {
      closeWriter();
      socket.destroy();
    },
  };
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
