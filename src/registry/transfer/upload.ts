import { VarveError, isVarveError, throwIfAborted } from "../../core/index.ts";
import { isTransientStatus, pause, pauseBefore, retryAfter, statusOf } from "../../http/index.ts";
import { BlobParts, type BlobSource } from "./blob-parts.ts";
import { type Opened, type UploadSession, type UploadTarget, blobExists, openUpload } from "./upload-session.ts";

/** How a blob got into a repository. */
export type PushedBlob = "exists" | "mounted" | "uploaded";

export interface UploadOptions {
  readonly source: BlobSource;
  /** Repositories of the same registry that may have the blob, the likeliest first. */
  readonly mountFrom: readonly string[];
  /** Bytes per request. Default: the whole blob in one request. */
  readonly chunkSize: number | undefined;
  readonly onRetry: () => void;
}

const MAX_MOUNTS = 3;
const MAX_FAILURES = 20;
/** First and last chunk sizes to try when a server or proxy refuses a body for its size. */
const FIRST_CHUNK = 67_108_864;
const LAST_CHUNK = 1_048_576;
const TOO_LARGE = 413;
/** Up to this many bytes, sending a blob again costs less than asking a registry without mounts for it. */
const SMALL = 16_384;
/** Statuses of an upload that is unknown or has another offset. */
const LOST = new Set([404, 409, 416]);

/** Tries to mount from the repositories that may have the blob. A refused mount is not an error. */
async function mountOrOpen(target: UploadTarget, mountFrom: readonly string[]): Promise<Opened> {
  const { repository } = target.reference;
  const candidates = [...new Set(mountFrom)].filter((each) => each !== repository).slice(0, MAX_MOUNTS);
  for (const [index, candidate] of candidates.entries()) {
    const opened = await tryMount(target, candidate);
    if (opened === undefined) continue;
    if (opened.kind === "mounted" || index === candidates.length - 1) return opened;
    await opened.session.cancel();
  }
  return await openUpload(target, undefined);
}

async function tryMount(target: UploadTarget, from: string): Promise<Opened | undefined> {
  try {
    return await openUpload(target, from);
  } catch (error) {
    throwIfAborted(target.signal, "mount a blob");
    const status = statusOf(error) ?? 0;
    if (status >= 400 && status < 500 && status !== 429) return undefined;
    throw error;
  }
}

/** The upload of one blob, over as many connections as needed. */
class Upload {
  readonly #target: UploadTarget;
  readonly #options: UploadOptions;
  readonly #parts: BlobParts;
  #session: UploadSession | undefined;
  #chunk: number | undefined;
  #failures = 0;

  constructor(target: UploadTarget, session: UploadSession, options: UploadOptions) {
    this.#target = target;
    this.#session = session;
    this.#options = options;
    this.#chunk = options.chunkSize;
    this.#parts = new BlobParts(options.source, target.descriptor.digest);
  }

  async run(): Promise<PushedBlob> {
    await using _parts = this.#parts;
    let best = 0;
    let recent = 0;
    for (;;) {
      try {
        await this.#send();
        return "uploaded";
      } catch (error) {
        throwIfAborted(this.#target.signal, `push blob ${this.#target.descriptor.digest}`);
        const received = this.#session?.received ?? 0;
        recent = received > best ? 1 : recent + 1;
        best = Math.max(best, received);
        await this.#recover(error, recent);
        if (await blobExists(this.#target)) return "uploaded";
      }
    }
  }

  async #send(): Promise<void> {
    const { size } = this.#target.descriptor;
    this.#session ??= await this.#open();
    const session = this.#session;
    if (session.received === 0 && (this.#chunk === undefined || this.#chunk >= size)) {
      return await session.putWhole(this.#options.source);
    }
    const chunk = Math.max(this.#chunk ?? size, session.leastChunk);
    while (session.received < size) {
      await session.patch(this.#parts, Math.min(chunk, size - session.received));
    }
    await session.finish();
  }

  async #open(): Promise<UploadSession> {
    const opened = await openUpload(this.#target, undefined);
    if (opened.kind === "session") return opened.session;
    throw new VarveError("internal", "Cannot open an upload: it was mounted unasked");
  }

  /** Prepares a retry; throws errors that a retry does not help. */
  async #recover(error: unknown, recent: number): Promise<void> {
    this.#failures += 1;
    const { retry } = this.#target.client;
    const status = statusOf(error);
    const timedOut = isVarveError(error) && error.details.failure === "timeout";
    if (status === TOO_LARGE) return this.#shrink(error);
    if (!isMendable(error) || recent >= (timedOut ? retry.timeouts : retry.attempts) || this.#failures >= MAX_FAILURES)
      throw error;
    const after = isVarveError(error) ? error.details.retryAfter : undefined;
    const asked = typeof after === "string" ? retryAfter(after) : undefined;
    const wait = Math.max(asked ?? 0, pauseBefore(retry, recent));
    if (wait > retry.patience) throw error;
    this.#options.onRetry();
    await pause(wait, this.#target.signal);
    if (status === undefined || !LOST.has(status)) await this.#refresh();
    else this.#session = undefined;
  }

  #shrink(error: unknown): void {
    const { size } = this.#target.descriptor;
    const next = this.#chunk === undefined ? Math.min(FIRST_CHUNK, Math.ceil(size / 2)) : Math.ceil(this.#chunk / 4);
    if (next < LAST_CHUNK && next < size && this.#chunk !== undefined) throw error;
    if (this.#failures >= MAX_FAILURES) throw error;
    this.#chunk = next;
    this.#session = undefined;
  }

  async #refresh(): Promise<void> {
    try {
      await this.#session?.refresh();
      if (this.#session?.received === 0) this.#session = undefined;
    } catch {
      throwIfAborted(this.#target.signal, "push");
      this.#session = undefined;
    }
  }
}

function isMendable(error: unknown): boolean {
  if (!isVarveError(error) || error.code === "corrupt") return false;
  const status = statusOf(error);
  if ((error.details.tries ?? 1) > 1) return false;
  if (status !== undefined) return isTransientStatus(status) || LOST.has(status);
  const failure = error.details.failure;
  return failure === "broken" || failure === "timeout";
}

/** Gets a blob into a repository: it exists there, is mounted, or is uploaded with resumption. */
export async function uploadBlob(target: UploadTarget, options: UploadOptions): Promise<PushedBlob> {
  const { repository } = target.reference;
  if (target.descriptor.size <= SMALL && options.mountFrom.every((from) => from === repository)) {
    // One request instead of two: an existing blob is mounted onto itself, otherwise an upload is open.
    const own = (await tryMount(target, repository)) ?? (await openUpload(target, undefined));
    return own.kind === "mounted" ? "exists" : await new Upload(target, own.session, options).run();
  }
  if (await blobExists(target)) return "exists";
  const opened = await mountOrOpen(target, options.mountFrom);
  if (opened.kind === "mounted") return "mounted";
  return await new Upload(target, opened.session, options).run();
}
