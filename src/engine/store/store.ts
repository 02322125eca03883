import { cacheTables } from "../../cache/index.ts";
import { type ContentStore, contentTables, openContentStore } from "../../content/index.ts";
import { ImageStore, imageTables } from "../../image/index.ts";
import { CacheMounts, MountPoints, Records, recordTables } from "../../record/index.ts";
import { type Snapshotter, openSnapshotter, snapshotTables } from "../../snapshot/index.ts";
import { rmSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { toVarveError } from "../../core/index.ts";
import { ProcessDirectory, makeDirectories } from "../../linux/index.ts";
import type { Registry, RegistryOptions } from "../../registry/index.ts";
import { type Database, openState } from "../../state/index.ts";
import type { Solver } from "../../solver/index.ts";
import { openSolver } from "../cache/results.ts";
import { blobFetcher } from "./fetch.ts";
import { LostBlobs } from "../cache/lost-blobs.ts";
import type { Result } from "../ops/result.ts";
import { SharedWork } from "./shared-work.ts";

export interface StoreOptions {
  /**
   * Default: `VARVE_ROOT`, else `/var/lib/varve` for root and `$XDG_DATA_HOME/varve` for others. A relative path starts at
   * the working directory of the moment in which the store is opened.
   */
  readonly root?: string | undefined;
  /** `overlay` where the machine can, unless said. */
  readonly snapshotter?: "overlay" | "copy" | undefined;
  readonly registry?: RegistryOptions | undefined;
}

/** Everything under one root directory. Any number of processes may have it open at once. */
export interface Store extends AsyncDisposable {
  /** Absolute. */
  readonly root: string;
  readonly state: Database;
  readonly content: ContentStore;
  readonly snapshotter: Snapshotter;
  readonly records: Records;
  readonly cacheMounts: CacheMounts;
  /** Where trees are mounted. */
  readonly mounts: MountPoints;
  /** Where contexts are unpacked. */
  readonly contexts: ProcessDirectory;
  readonly images: ImageStore;
  /** The client of registries, made when it is first asked for. */
  readonly registry: () => Promise<Registry>;
  readonly solver: Solver<Result>;
  /** Knows, and tells imported caches, which blobs are not where they should be. */
  readonly lostBlobs: LostBlobs;
  /** Keeps what builds that run at the same time share. */
  readonly work: SharedWork;
}

/** The absolute path of the root directory that is given, or of the default one. */
export function rootOf({ root }: Pick<StoreOptions, "root">): string {
  return root === undefined ? defaultRoot() : resolve(root);
}

/** The absolute path of the root directory used where none is named. */
export function defaultRoot(env: NodeJS.ProcessEnv = process.env): string {
  if (env["VARVE_ROOT"] !== undefined && env["VARVE_ROOT"] !== "") return resolve(env["VARVE_ROOT"]);
  if (process.getuid?.() === 0) return "/var/lib/varve";
  return resolve(env["XDG_DATA_HOME"] ?? join(homedir(), ".local/share"), "varve");
}

/** Opens a root, making it if need be. Throws `storage` or `unsupported` where the disk or the machine will not do. */
export async function openStore(options: StoreOptions = {}): Promise<Store> {
  const root = rootOf(options);
  try {
    makeDirectories(root, 0o711);
  } catch (error) {
    throw toVarveError(error, `open store ${root}`, "storage");
  }
  const state = openState(join(root, "state.db"));
  state.install(contentTables, snapshotTables, recordTables, imageTables, cacheTables);
  const content = openContentStore(root, state);
  const snapshotter = openSnapshotter({ root: join(root, "snapshots"), state, driver: options.snapshotter });
  let opened: Promise<Registry> | undefined;
  const registry = (): Promise<Registry> => (opened ??= openRegistry(options.registry ?? {}));
  const mounts = new MountPoints(join(root, "mounts"));
  const records = new Records({ state, content, snapshotter, mounts, fetchBlob: blobFetcher(registry, content) });
  const lostBlobs = new LostBlobs({ records, content });
  const contexts = new ProcessDirectory(join(root, "tmp"), { own: removeTree, left: removeTree });
  return {
    root,
    state,
    content,
    snapshotter,
    records,
    registry,
    images: new ImageStore(state),
    contexts,
    mounts,
    lostBlobs,
    solver: openSolver(state, records, lostBlobs),
    work: new SharedWork(content, join(root, "run")),
    cacheMounts: new CacheMounts({ table: records.table, snapshotter, mounts, locks: join(root, "locks") }),
    [Symbol.asyncDispose]: async () => {
      (await opened)?.[Symbol.dispose]();
      await mounts[Symbol.asyncDispose]();
      contexts[Symbol.dispose]();
      content[Symbol.dispose]();
      state.close();
    },
  };
}

function removeTree(path: string): void {
  rmSync(path, { recursive: true, force: true });
}

async function openRegistry(options: RegistryOptions): Promise<Registry> {
  const { Registry: Client } = await import("../../registry/index.ts");
  return new Client(options);
}
