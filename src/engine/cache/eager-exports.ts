import { setTimeout as sleep } from "node:timers/promises";
import { isVarveError } from "../../core/index.ts";
import type { CacheExport, CacheTarget, LayersOf, ScopeFacts } from "../../remotecache/index.ts";
import type { Result } from "../ops/result.ts";
import type { BuildOutput } from "../outputs.ts";
import type { Session } from "../session.ts";
import { type DocumentExport, exportedGraph, layersOf, scopeName, targetOf } from "./exports.ts";

export interface EagerOptions {
  readonly scope: ScopeFacts;
  readonly session: Session;
  /** The outputs of the build. Undefined: they are not known yet. */
  readonly outputs: readonly BuildOutput[] | undefined;
}

/** An export waits for this many times as long as the one before took, so that at most half of the time goes into exports. */
const REST = 1;
/** Maximum time between the end of an export and the next, in milliseconds. */
const MAX_REST = 5_000;
/**
 * Number of exports that may fail one after the other before the target is left alone until the build has ended. The last export then
 * says what is wrong.
 */
const MAX_FAILURES = 2;

/**
 * Exports caches with `eager=true` while a build runs: first the layers that steps have made, then the document. So a build that is
 * killed leaves what it has made. `stop` resolves when no export runs any more; what it has written is replaced by the last export.
 */
export class EagerExports implements AsyncDisposable {
  readonly #end = new AbortController();
  readonly #running: Promise<unknown>;

  constructor(exports: readonly CacheExport[], options: EagerOptions) {
    const eager = exports.filter((target) => isEager(target, options.session));
    this.#running = Promise.all(eager.map((target) => new EagerExport(target, options).run(this.#end.signal)));
  }

  async stop(): Promise<void> {
    this.#end.abort();
    await this.#running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** A client of a server names what was written to its directory when the build has ended, so that it has nothing of it before. */
function isEager(target: CacheExport, { clientCaches }: Session): target is DocumentExport {
  if (target.type === "inline" || !target.eager) return false;
  return target.type !== "local" || clientCaches === undefined;
}

/** The exports to one target. */
class EagerExport {
  readonly #target: DocumentExport;
  readonly #options: EagerOptions;
  #failures = 0;
  #opened: Promise<Opened> | undefined;

  constructor(target: DocumentExport, options: EagerOptions) {
    this.#target = target;
    this.#options = options;
  }

  /** Exports after steps have ended, until `end` is aborted. */
  async run(end: AbortSignal): Promise<void> {
    const { session } = this.#options;
    using steps = new EndedSteps(session);
    while (await steps.next(end)) {
      const began = performance.now();
      try {
        await this.#export();
        this.#failures = 0;
      } catch (error) {
        if (isVarveError(error, "cancelled")) return;
        this.#failures += 1;
        if (this.#failures === MAX_FAILURES) return;
      }
      const rest = Math.min(MAX_REST, REST * (performance.now() - began));
      await sleep(rest, undefined, { signal: end }).catch(() => undefined);
    }
  }

  async #export(): Promise<void> {
    const { session, scope } = this.#options;
    this.#opened ??= this.#open();
    const { target, layers } = await this.#opened;
    const exported = await exportedGraph(this.#target, session, { stage: "running", layersOf: layers });
    await target.write(exported, await scopeName(this.#target, scope), session.hold);
  }

  async #open(): Promise<Opened> {
    const { session, outputs } = this.#options;
    const { store, registry, progress } = session;
    const warn = (message: string): void => progress.warnOnce(message);
    const target = await targetOf(this.#target, { store, registry, clouds: store.clouds, warn });
    const all = layersOf(store, session.hold, this.#target.compression);
    const mayCreate = outputs !== undefined && (await isCompressedLike(this.#target, outputs));
    return { target, layers: mayCreate ? all : (record) => all(record, { create: false }) };
  }
}

interface Opened {
  readonly target: CacheTarget;
  readonly layers: LayersOf<Result>;
}

/**
 * True if the outputs compress layers as the cache does. Otherwise the cache must not be the first to compress them, because outputs
 * take the blobs that exist.
 */
async function isCompressedLike(
  { compression: { compression, level } }: DocumentExport,
  outputs: readonly BuildOutput[],
): Promise<boolean> {
  const { parseImageAttributes } = await import("../../export/index.ts");
  try {
    const images = outputs.filter(({ type }) => type !== "tar" && type !== "local" && type !== "cacheonly");
    const attributes = images.map(({ attrs = {} }) => parseImageAttributes(attrs));
    return attributes.every((image) => image.compression === compression && image.level === level);
  } catch {
    return false;
  }
}

/** Tells whether steps of a build have ended since the last call. */
class EndedSteps implements Disposable {
  readonly #listener: Disposable;
  #ended = Promise.withResolvers<void>();

  constructor(session: Session) {
    this.#listener = session.onStepEnd(() => this.#ended.resolve());
  }

  /** Waits until a step has ended since the last call. Returns false when `end` is aborted. */
  async next(end: AbortSignal): Promise<boolean> {
    if (end.aborted) return false;
    const { promise: stopped, resolve } = Promise.withResolvers<void>();
    const onStop = (): void => resolve();
    end.addEventListener("abort", onStop, { once: true });
    await Promise.race([this.#ended.promise, stopped]);
    end.removeEventListener("abort", onStop);
    this.#ended = Promise.withResolvers();
    return !end.aborted;
  }

  [Symbol.dispose](): void {
    this.#listener[Symbol.dispose]();
  }
}
