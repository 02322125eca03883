import { type Descriptor, type Digest, type Reference, isVarveError, throwIfAborted } from "../../core/index.ts";
import type { OnTransfer, Registry, RequestOptions } from "../../registry/index.ts";
import type { ContainerForm } from "../document/container.ts";
import { type LayerSource, type Warn, tellLost } from "./target.ts";
import { setTimeout as sleep } from "node:timers/promises";
import { type Bytes, bytesOf } from "../../io/index.ts";
import type { Hold, RemoteLayer } from "../../record/index.ts";
import { type Composed, compose } from "./compose.ts";
import { standingDigest, standingInRegistry } from "./registry-document.ts";
import { type CacheContents, isSuperseded, layersOfGraph } from "./scopes.ts";
import type { Standing } from "./standing.ts";
import { bringLayers } from "./transfer.ts";

export interface RegistryTargetOptions {
  readonly registry: Registry;
  /** With a tag. */
  readonly reference: Reference;
  readonly form: ContainerForm;
  readonly source: LayerSource;
  /** Nothing of what others have written stays. */
  readonly reset: boolean;
  readonly warn: Warn;
  readonly onEvent?: OnTransfer | undefined;
}

/** What came of one try. `put`: to be looked at again after a while; `outrun`: another has written meanwhile. */
export type Attempt =
  | { readonly kind: "stands"; readonly descriptor: Descriptor }
  | { readonly kind: "empty" | "put" | "outrun" | "changed" };

/** Milliseconds. */
const LEAST_PAUSE = 50;
const LONGEST_PAUSE = 3_000;
/** Manifests that a registry may say it got wrong. */
const MOST_GARBLED = 5;

/**
 * One export on its way to a tag. Registries know no compare-and-swap: the tag is looked at again right before it is
 * written, and once more after several times as long as that took, so that whoever was in between has ended by then. If
 * what was written is lost it is merged in once more.
 */
export class RegistryWriter {
  readonly #mine: CacheContents;
  readonly #layers: ReadonlyMap<Digest, RemoteLayer>;
  readonly #hold: Hold;
  readonly #asking: RequestOptions;
  readonly #options: RegistryTargetOptions;
  /** Blobs that can be had nowhere. */
  readonly #gone = new Set<Digest>();
  /** Blobs that are in the repository. */
  readonly #present = new Set<Digest>();
  /** What stood there when a document was put. */
  #seen: { readonly contents: CacheContents | undefined } | undefined;
  /** What was put last. */
  #last: Descriptor | undefined;
  #pause = LEAST_PAUSE;
  #garbled = 0;

  constructor(mine: CacheContents, hold: Hold, options: RegistryTargetOptions) {
    this.#mine = mine;
    this.#layers = layersOfGraph(mine.graph);
    this.#hold = hold;
    this.#asking = { signal: hold.signal, onWait: hold.onWait };
    this.#options = options;
  }

  async attempt(): Promise<Attempt> {
    const { warn, form, reset } = this.#options;
    const last = this.#last;
    if (last !== undefined && (await standingDigest(this.#options, this.#asking)) === last.digest) return stands(last);
    const alone = compose({ there: undefined, mine: this.#mine, form, gone: this.#gone, rank: "first" }, warn);
    if (alone === undefined) return { kind: "empty" };
    const own = alone.manifest.descriptor.digest;
    const standing = await standingInRegistry(this.#options, warn, this.#asking, (digest) => digest === own);
    const { descriptor } = standing;
    if (descriptor?.digest === own) return stands(descriptor);
    if (descriptor !== undefined && this.#isSuperseded(standing)) return stands(descriptor);
    const isFresh = reset && this.#seen === undefined;
    const rank = this.#seen === undefined ? "first" : "keep";
    const there = isFresh ? undefined : standing.contents;
    const next = compose({ there, mine: this.#mine, form, gone: this.#gone, rank }, warn);
    if (next === undefined) return { kind: "empty" };
    if (next.manifest.descriptor.digest === descriptor?.digest) return stands(descriptor);
    if (!(await this.#bring(next))) return { kind: "changed" };
    return await this.#put(next, standing);
  }

  /** Waits until it makes sense to go on. */
  async settle(after: "put" | "outrun" | "changed"): Promise<void> {
    if (after === "changed") return;
    const wait = after === "put" ? this.#pause * (1 + Math.random()) : this.#pause * Math.random();
    await sleep(wait, undefined, { signal: this.#hold.signal }).catch(() => undefined);
    throwIfAborted(this.#hold.signal, "export cache");
  }

  /** Other builds of the same scope have written so often since that this one has had its day. */
  #isSuperseded({ contents }: Standing): boolean {
    if (this.#seen === undefined || contents === undefined) return false;
    return isSuperseded(this.#mine, this.#seen.contents, contents);
  }

  /** Has the blobs of the export in the repository, as far as the document needs them. False: some cannot be had. */
  async #bring({ contents }: Composed): Promise<boolean> {
    const { registry, reference, source, onEvent, warn } = this.#options;
    const needed = [...layersOfGraph(contents.graph).keys()].filter((digest) => !this.#present.has(digest));
    const lost = await bringLayers(
      needed.flatMap((digest) => this.#layers.get(digest) ?? []),
      {
        source,
        hold: this.#hold,
        bring: async (layer, open, signal) => {
          const mountFrom = repositoriesOf(layer, reference.registry);
          const { digest, size, mediaType } = layer;
          const options = { ...this.#asking, signal, mountFrom, onEvent };
          await registry.pushBlob(reference, { digest, size, mediaType }, open, options);
          this.#present.add(digest);
        },
      },
    );
    tellLost(lost, warn);
    for (const digest of lost.keys()) this.#gone.add(digest);
    return lost.size === 0;
  }

  async #put(next: Composed, standing: Standing): Promise<Attempt> {
    const { registry, reference } = this.#options;
    const { config, manifest } = next;
    const configFrom = (offset: number): Bytes => bytesOf(config.bytes.subarray(offset));
    await registry.pushBlob(reference, config.descriptor, configFrom, this.#asking);
    const began = performance.now();
    const current = await standingDigest(this.#options, this.#asking);
    if (current !== standing.descriptor?.digest) return { kind: "outrun" };
    try {
      await registry.pushManifest(reference, manifest.descriptor, manifest.bytes, this.#asking);
    } catch (error) {
      if (this.#isGarbled(error)) return { kind: "outrun" };
      if (await this.#findGone(next, error)) return { kind: "changed" };
      throw error;
    }
    this.#pause = Math.min(LONGEST_PAUSE, Math.max(this.#pause, 2 * (performance.now() - began)));
    this.#last = manifest.descriptor;
    this.#seen ??= { contents: standing.contents };
    return { kind: "put" };
  }

  /** Whether the registry has mixed up the manifest with another one's that came at the same time, as some do; worth a few tries. */
  #isGarbled(error: unknown): boolean {
    if (!isVarveError(error, "remote") || error.details.registryCode !== "DIGEST_INVALID") return false;
    this.#garbled += 1;
    return this.#garbled <= MOST_GARBLED;
  }

  /** After a manifest was refused: looks whether the repository has lost blobs. One's own are then brought again. */
  async #findGone({ contents }: Composed, error: unknown): Promise<boolean> {
    const { registry, reference, warn } = this.#options;
    if (!isVarveError(error, "remote", "not-found")) return false;
    const before = this.#gone.size;
    let isWhole = true;
    for (const digest of layersOfGraph(contents.graph).keys()) {
      if (await registry.hasBlob(reference, digest, this.#asking)) continue;
      isWhole = false;
      this.#present.delete(digest);
      if (!this.#layers.has(digest)) this.#gone.add(digest);
    }
    const lost = this.#gone.size - before;
    if (lost > 0) warn(`${lost} blobs of the cache are gone from the registry: records lose the layers that need them`);
    return !isWhole;
  }
}

function stands(descriptor: Descriptor): Attempt {
  return { kind: "stands", descriptor };
}

/** Repositories of the registry that a layer is known to be in. */
function repositoriesOf({ sources }: RemoteLayer, host: string): string[] {
  return sources.filter((source) => source.startsWith(`${host}/`)).map((source) => source.slice(host.length + 1));
}
