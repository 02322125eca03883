import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { isVarveError, Limits, throwIfAborted, VarveError } from "../core/index.ts";
import { type Bytes, collect, peek, temporaryDirectory } from "../io/index.ts";
import { makeDirectories } from "../linux/index.ts";

/** A context that was read from a stream. Disposal removes its directory. */
export type StreamContext = AsyncDisposable & {
  /** The directory of the unpacked archive; an empty directory for a Dockerfile. */
  readonly path: string;
} & ({ readonly kind: "archive" } | { readonly kind: "dockerfile"; readonly text: string });

const WHAT = "the build context";

/** Unpacks an archive, which is detected by its first bytes. Other input is returned as the text of a Dockerfile. */
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
    const hint = `The first bytes are those of ${kind} data, so the input is read as an archive and not as a Dockerfile.`;
    throw new VarveError("corrupt", error.message, { details: error.details, hint, cause: error });
  }
}

async function readText(bytes: Bytes): Promise<string> {
  const text = await collect(bytes, Limits.dockerfile, { what: `${WHAT}, which is not an archive,` });
  if (text.length === 0) throw unreadable("the stream is empty");
  if (text.includes(0)) throw unreadable("it is neither an archive nor text");
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
 * Opens a context from a stream, as `docker build -` does. An archive, compressed or not, is unpacked into a new directory below
 * `parent`. Other input is the text of a Dockerfile without a context.
 *
 * @throws {VarveError} `invalid-build` for an empty or binary stream, `corrupt` for a damaged archive, `limit-exceeded` for a
 * Dockerfile that is too long, `cancelled`.
 * @example
 * await using context = await openStreamContext(process.stdin, "/var/lib/varve/tmp", signal);
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
