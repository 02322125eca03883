import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Limits, throwIfAborted, VarveError } from "../core/index.ts";
import { bytesOf, temporaryDirectory, type Bytes } from "../io/index.ts";
import { makeDirectories } from "../linux/index.ts";

/** A context that came as a stream. Disposing of it removes its directory. */
export type StreamContext = AsyncDisposable & {
  /** A directory: the unpacked archive, or an empty one. */
  readonly path: string;
} & ({ readonly kind: "archive" } | { readonly kind: "dockerfile"; readonly text: string });

const WHAT = "the build context";

interface Head {
  readonly bytes: Buffer;
  /** The stream has no more than that. */
  readonly ended: boolean;
}

/** Reads until there is more than a Dockerfile may be, or no more. */
async function readHead(source: AsyncIterator<Uint8Array>): Promise<Head> {
  const chunks: Uint8Array[] = [];
  for (let size = 0; size <= Limits.dockerfile;) {
    const next = await source.next();
    if (next.done === true) return { bytes: Buffer.concat(chunks), ended: true };
    chunks.push(next.value);
    size += next.value.byteLength;
  }
  return { bytes: Buffer.concat(chunks), ended: false };
}

async function* joined(head: Buffer, rest: AsyncIterator<Uint8Array>, signal: AbortSignal | undefined): Bytes {
  yield head;
  for (let next = await rest.next(); next.done !== true; next = await rest.next()) {
    throwIfAborted(signal, "read the build context");
    yield next.value;
  }
}

/** An archive is unpacked; what is none is a Dockerfile. */
async function open(bytes: Bytes, path: string, signal: AbortSignal | undefined): Promise<string | undefined> {
  const source = bytes[Symbol.asyncIterator]();
  try {
    const head = await readHead(source);
    const whole = head.ended ? bytesOf(head.bytes) : joined(head.bytes, source, signal);
    const { extractArchive } = await import("../layer/index.ts");
    const unpacked = await extractArchive({ bytes: whole }, path, { chown: false, what: WHAT, signal });
    if (unpacked !== false) return undefined;
    if (!head.ended)
      throw new VarveError("limit-exceeded", `Cannot read ${WHAT}: it is no archive, and too large for a Dockerfile`, {
        details: { limit: Limits.dockerfile },
      });
    if (head.bytes.length === 0) throw new VarveError("invalid-build", `Cannot read ${WHAT}: the stream is empty`);
    return head.bytes.toString();
  } finally {
    await source.return?.();
  }
}

/**
 * A context from a stream, as `docker build -` takes it: an archive, plain or compressed, is unpacked into a directory of its
 * own below `parent`; anything else is the text of a Dockerfile that has no context.
 */
export async function openStreamContext(bytes: Bytes, parent: string, signal?: AbortSignal): Promise<StreamContext> {
  makeDirectories(parent, 0o700);
  await using stack = new AsyncDisposableStack();
  const directory = stack.use(await temporaryDirectory("context-", parent));
  const path = join(directory.path, "files");
  await mkdir(path);
  const text = await open(bytes, path, signal);
  const owned = stack.move();
  const dispose = (): Promise<void> => owned.disposeAsync();
  return text === undefined
    ? { kind: "archive", path, [Symbol.asyncDispose]: dispose }
    : { kind: "dockerfile", path, text, [Symbol.asyncDispose]: dispose };
}
