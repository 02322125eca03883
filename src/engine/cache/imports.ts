import { type Digest, VarveError, isDigest, parseGoBool, parseReference, withDefaultTag } from "../../core/index.ts";
import type { Lease } from "../../content/index.ts";
import type { OnWait } from "../../io/index.ts";
import type { CacheOrigin, ImportedCache } from "../../remotecache/index.ts";
import { type Result, recordResult } from "../ops/result.ts";
import type { CacheSpec } from "../options/options.ts";
import type { Progress } from "../progress/progress.ts";
import type { Store } from "../store/store.ts";
import { waitLine } from "../progress/transfers.ts";

export interface ImportDeps {
  readonly store: Store;
  readonly progress: Progress;
  /** Keeps the records of results that are taken from a cache. */
  readonly lease: Lease;
  readonly signal: AbortSignal | undefined;
  /** Milliseconds after which the build goes on without a cache that has not come. */
  readonly patience: number | undefined;
}

/** Caches that are being imported; disposing of them ends what is still under way. */
export interface Imports extends AsyncDisposable {
  /** In the order they are to be asked; a query waits until its cache has come. */
  readonly caches: readonly ImportedCache<Result>[];
}

/** Milliseconds. */
const PATIENCE = 120_000;
/** What says where a cache of a type is. */
const PLACE: ReadonlyMap<string, string> = new Map([
  ["registry", "ref"],
  ["local", "src"],
]);

/** Throws `invalid-argument` for a cache that names no place. Everything else that is wrong costs the cache, not the build. */
export function checkImports(specs: readonly CacheSpec[]): void {
  for (const spec of specs) {
    const name = PLACE.get(spec.type);
    if (name !== undefined && placeOf(spec) === "")
      throw new VarveError("invalid-argument", `Cannot import cache: ${spec.type} cache importer requires ${name}`);
  }
}

/**
 * Begins to import caches, all at once. One that cannot be imported shows its error as a vertex of its own and counts as
 * empty.
 */
export async function startImports(specs: readonly CacheSpec[], deps: ImportDeps): Promise<Imports> {
  if (specs.length === 0) return { caches: [], [Symbol.asyncDispose]: () => Promise.resolve() };
  await using stack = new AsyncDisposableStack();
  const byName = new Map(specs.map((spec) => [importName(spec), spec] as const));
  const caches = await Promise.all([...byName].map(([name, spec]) => startImport(name, spec, deps, stack)));
  const owned = stack.move();
  return { caches, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function startImport(
  name: string,
  spec: CacheSpec,
  { store, progress, lease, signal, patience = PATIENCE }: ImportDeps,
  stack: AsyncDisposableStack,
): Promise<ImportedCache<Result>> {
  const { importedCache, readCache } = await import("../../remotecache/index.ts");
  const ended = new AbortController();
  let told: Disposable | undefined;
  const limits = [ended.signal, AbortSignal.timeout(patience), ...(signal === undefined ? [] : [signal])];
  const options = { signal: AbortSignal.any(limits), onWarning: (message: string) => progress.warn(message) };
  const graphs = progress
    .activity(`importing cache manifest from ${name}`, async (activity) => {
      const origin = await originOf(spec, store, (wait) => activity.report(waitLine(wait)));
      told = store.lostBlobs.tell({
        source: origin.source,
        dropBlob: (digest) => cache.dropBlob(digest),
        dropAll: () => cache.dropAll(),
      });
      return await readCache(origin, options);
    })
    .catch(() => []);
  const cache = importedCache<Result>(name, graphs, {
    load: (layers) => Promise.resolve(recordResult(store.records.addChain(layers, lease))),
  });
  stack.defer(async () => {
    ended.abort();
    await graphs;
    told?.[Symbol.dispose]();
  });
  return cache;
}

/** Where a cache is to be read. Throws `unsupported` for a type that is not there. */
export async function originOf({ type, attrs }: CacheSpec, store: Store, onWait?: OnWait): Promise<CacheOrigin> {
  const { layoutOrigin, registryOrigin } = await import("../../remotecache/index.ts");
  switch (type) {
    case "registry": {
      const reference = withDefaultTag(parseReference(attrs["ref"] ?? ""));
      const registry = await store.registry();
      if (parseGoBool(attrs["registry.insecure"] ?? "") === true) registry.allowInsecure(reference.registry);
      return registryOrigin(registry, reference, { onWait });
    }
    case "local":
      return layoutOrigin(attrs["src"] ?? "", { tag: attrs["tag"] ?? "latest", ...digestOf(attrs["digest"]) });
    default:
      throw new VarveError("unsupported", `Cannot import cache: unknown cache importer: ${type}`);
  }
}

function digestOf(text: string | undefined): { readonly digest?: Digest | undefined } {
  if (text === undefined || text === "") return {};
  if (isDigest(text)) return { digest: text };
  throw new VarveError("invalid-argument", `Cannot import cache: ${JSON.stringify(text)} is no digest`);
}

/** What a cache is called in progress and traces; two of one name are the same cache. */
function importName(spec: CacheSpec): string {
  const { type, attrs } = spec;
  if (type === "registry") return placeOf(spec);
  const tag = attrs["digest"] ?? attrs["tag"];
  return `${type}:${placeOf(spec)}${tag === undefined ? "" : `:${tag}`}`;
}

function placeOf({ type, attrs }: CacheSpec): string {
  return attrs[PLACE.get(type) ?? ""] ?? "";
}
