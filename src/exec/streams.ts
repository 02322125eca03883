import { closeSync, write } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { ReadStream } from "node:tty";
import { openTerminal } from "../linux/index.ts";
import { inputPipe } from "./input.ts";
import { type OutputPipe, outputPipe, pumpOutput } from "./output.ts";

/** What a process has as its standard input. A terminal is its standard output and error too. */
export type InputKind = "empty" | "pipe" | "terminal";

export type OutputListener = (stream: 1 | 2, chunk: Uint8Array) => void | Promise<void>;

/** The standard streams of a child process. Disposal closes both ends of all. */
export interface ChildStreams extends Disposable {
  /** Descriptors for the child. Call `closeChild` once the child has them. */
  readonly child: { readonly stdin: number | "ignore"; readonly stdout: number; readonly stderr: number };
  closeChild(): void;
  /**
   * Writes all bytes, as fast as the child reads, and then closes the input; that of a terminal stays open. Stops when nobody reads any
   * more and when the streams are disposed of. An error of the source ends the input.
   */
  feed(bytes: AsyncIterable<Uint8Array>): void;
  /** Passes each chunk of output to `listener` and waits for it. Settles when every writer has closed, or at disposal. */
  pump(listener: OutputListener): Promise<void>;
}

export function openStreams(kind: InputKind): ChildStreams {
  return kind === "terminal" ? terminalStreams() : pipes(kind === "pipe");
}

function pipes(hasInput: boolean): ChildStreams {
  using resources = new DisposableStack();
  const stdin = hasInput ? resources.use(inputPipe()) : undefined;
  const outputs: readonly [OutputPipe, OutputPipe] = [resources.use(outputPipe()), resources.use(outputPipe())];
  const [stdout, stderr] = outputs;
  const owned = resources.move();
  return {
    child: { stdin: stdin?.reader ?? "ignore", stdout: stdout.writer, stderr: stderr.writer },
    closeChild: () => {
      stdin?.closeReader();
      for (const each of outputs) each.closeWriter();
    },
    feed: (bytes) => stdin?.feed(bytes),
    pump: async (listener) => {
      await Promise.all([stdout.pump((chunk) => listener(1, chunk)), stderr.pump((chunk) => listener(2, chunk))]);
    },
    [Symbol.dispose]: () => owned.dispose(),
  };
}

function terminalStreams(): ChildStreams {
  const { controller, terminal } = openTerminal();
  let isOpen = true;
  const closeChild = (): void => {
    if (isOpen) closeSync(terminal);
    isOpen = false;
  };
  const reader = readerOf(controller, closeChild);
  // Reading fails with EIO when the last process has closed the terminal.
  reader.on("error", () => undefined);
  reader.pause();
  return {
    child: { stdin: terminal, stdout: terminal, stderr: terminal },
    closeChild,
    feed: (bytes) => {
      feedTerminal(reader, controller, bytes).catch(() => undefined);
    },
    pump: (listener) => pumpOutput(reader, (chunk) => listener(1, chunk)),
    [Symbol.dispose]: () => {
      closeChild();
      reader.destroy();
    },
  };
}

/** Returns a reader of a terminal, which owns the descriptor. Closes both ends if there can be none. */
function readerOf(controller: number, closeChild: () => void): ReadStream {
  try {
    return new ReadStream(controller);
  } catch (error) {
    closeSync(controller);
    closeChild();
    throw error;
  }
}

/** Milliseconds between two attempts to write to a terminal that is full: nothing reports that there is room. */
const FULL_INTERVAL = 10;

/** Node would block the event loop to write to a terminal that is full. So the reader's descriptor is written to directly. */
async function feedTerminal(reader: ReadStream, controller: number, bytes: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const chunk of bytes) {
    for (let at = 0; at < chunk.byteLength;) {
      if (reader.destroyed) return;
      const written = await tryWrite(controller, chunk.subarray(at));
      if (written === 0) await sleep(FULL_INTERVAL);
      at += written;
    }
  }
}

/** Returns how many bytes were written: 0 if there is no room. */
function tryWrite(descriptor: number, bytes: Uint8Array): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  write(descriptor, bytes, (error, written) => {
    if (error === null) resolve(written);
    else if (error.code === "EAGAIN") resolve(0);
    else reject(error);
  });
  return promise;
}
