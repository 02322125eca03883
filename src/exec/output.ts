import { closeSync } from "node:fs";
import { Socket } from "node:net";
import { pipe } from "../linux/index.ts";

/** The end of a pipe that reads what a child writes. It reads no further ahead than one buffer. */
export interface OutputPipe extends Disposable {
  /** Descriptor for the child; close it with `handOver` once the child has it. */
  readonly writer: number;
  handOver(): void;
  /** Gives each piece to `listener` and waits for it, until every writer is gone or the pipe is disposed of. */
  pump(listener: (chunk: Uint8Array) => void | Promise<void>): Promise<void>;
}

export function outputPipe(): OutputPipe {
  const { reader, writer } = pipe();
  const socket = new Socket({ fd: reader, readable: true, writable: false });
  // Until someone pumps, an error has no other listener.
  socket.on("error", () => undefined);
  socket.pause();
  let open = true;
  const handOver = (): void => {
    if (open) closeSync(writer);
    open = false;
  };
  return {
    writer,
    handOver,
    pump: async (listener) => {
      for await (const chunk of socket) await listener(chunk as Uint8Array);
    },
    [Symbol.dispose]: () => {
      handOver();
      socket.destroy();
    },
  };
}
