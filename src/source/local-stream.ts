import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { isVarveError, Limits, throwIfAborted, VarveError } from "../core/index.ts";
import { type Bytes, collect, peek, temporaryDirectory } from "../io/index.ts";
import { makeDirectories } from "../linux/index.ts";

/** A context that came as a stream. Disposing of it removes its directory. */
export type StreamContext = AsyncDisposable & {
  /** A directory: the unpacked archive, or an empty one. */
  readonly path: string;
} & ({ readonly kind: "archive" } | { readonly kind: "dockerfile"; readonly text: string });

const WHAT = "the build context";

/** An archive, told by its first bytes, is unpacked; what is none is the text of a Dockerfile. */
async function open(source: Bytes, path: string, signal: AbortSignal | undefined): Promise<string | undefined> {
  const { ARCHIVE_HEAD, archiveKind, extractArchive } = await import("../layer/index.ts");
  const { head, bytes } = await peek(abortable(source, signal), ARCHIVE_HEAD);
  const kind = archiveKind(head);
  if (kind === undefined) return await readText(bytes);
  try {
    await extractArchive({ bytes }, path, { chown: false, what: WHAT, signal });
    return undefined;
  } catch (error) {
    if (!isVarveError(error, "corrupt")) throw error;
    const hint = `It begins as ${kind} data does, so it is read as an archive, not as a Dockerfile.`;
    throw new VarveError("corrupt", error.message, { details: error.details, hint, cause: error });
  }
}

async function readText(bytes: Bytes): Promise<string> {
  const text = await collect(bytes, Limits.dockerfile, { what: `${WHAT}, which is no archive,` });
  if (text.length === 0) throw unreadable("the stream is empty");
  if (text.includes(0)) throw unreadable("it is neither an archive nor a text");
  return text.toString();
}

function unreadable(state: string): VarveError {
  return new VarveError("invalid-build", `Cannot read ${WHAT}: ${state}`);
}

async function* abortable(source: Bytes, signal: AbortSignal | undefined): Bytes & AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    throwIfAborted(signal, `read ${WHAT}`);
    yield chunk;
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
