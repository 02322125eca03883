import { cacheTables } from "../../cache/index.ts";
import type { DeviceSettings, Devices } from "../../cdi/index.ts";
import { type ContentStore, contentTables, openContentStore, openContentStoreOn } from "../../content/index.ts";
import { ImageStore, imageTables } from "../../image/index.ts";
import { CacheMounts, ContextCopies, MountPoints, Records, recordTables } from "../../record/index.ts";
import { type Snapshotter, openSnapshotter, snapshotTables } from "../../snapshot/index.ts";
import { rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { defaultRoot, toVarveError } from "../../core/index.ts";
import { temporaryDirectory } from "../../io/index.ts";
import { ProcessDirectory } from "../../linux/index.ts";
import { type NetworkSettings, Networks } from "../../network/index.ts";
import type { CredentialSource, Registry, RegistryOptions } from "../../registry/index.ts";
import { type Database, copyState, openState } from "../../state/index.ts";
import type { Solver } from "../../solver/index.ts";
import { openSolver } from "../cache/results.ts";
import { blobFetcher } from "./fetch.ts";
import { CloudCaches } from "./cloud-caches.ts";
import { checkIdMaps, makeRootDirectory } from "./id-maps.ts";
import { LostBlobs } from "../cache/lost-blobs.ts";
import type { Result } from "../ops/result.ts";
import { SharedWork, type StepOptions } from "./shared-work.ts";

export interface StoreOptions {
  /**
   * Root directory. Default: `VARVE_ROOT`, else `/var/lib/varve` for root and `$XDG_DATA_HOME/varve` for other users. A relative
   * path is resolved when the store is opened.
   */
  readonly root?: string | undefined;
  /** How layers are stored. Default: `overlay` where the machine supports it, else `copy`. */
  readonly snapshotter?: "overlay" | "copy" | undefined;
  /**
   * Maximum number of operations (steps, copies, fetches of sources) that all builds of this store execute at the same time. Default:
   * as many as memory, processes and file descriptors allow. Varve's own work on layers is always limited by processors.
   */
  readonly maxParallelism?: number | undefined;
  /** Options of the client of registries: mirrors, credentials, time-outs. */
  readonly registry?: RegistryOptions | undefined;
  /** How steps are run. */
  readonly steps?: StepOptions | undefined;
  /** How steps without a network of their own reach other machines. Default: by the network of this machine. */
  readonly network?: NetworkSettings | undefined;
  /** The devices of the Container Device Interface that steps may be given. Default: those in BuildKit's directories. */
  readonly devices?: DeviceSettings | undefined;
}

/** The parts of an open store, which is everything under one root directory. Several processes may have the same root open. */
export interface Store extends AsyncDisposable {
  /** Absolute. */
  readonly root: string;
  readonly state: Database;
  readonly content: ContentStore;
  readonly snapshotter: Snapshotter;
  readonly records: Records;
  readonly cacheMounts: CacheMounts;
  readonly contextCopies: ContextCopies;
  /** Directories in which snapshots are mounted. */
  readonly mounts: MountPoints;
  /** Directories in which contexts are unpacked. */
  readonly contexts: ProcessDirectory;
  readonly images: ImageStore;
  /** Returns the client of registries, which is created by the first call. */
  readonly registry: () => Promise<Registry>;
  /** Returns a client of registries with other credentials. The caller disposes of it. */
  readonly registryWith: (credentials: CredentialSource) => Promise<Registry>;
  /** The caches in clouds that are open. */
  readonly clouds: CloudCaches;
  readonly solver: Solver<Result>;
  /** Records which blobs could not be fetched, so that imported caches do not try them again. */
  readonly lostBlobs: LostBlobs;
  /** The lease and the runner that concurrent builds share. */
  readonly work: SharedWork;
  /** Returns the devices that the machine has now. */
  readonly devices: () => Promise<Devices>;
  /** The networks of steps. */
  readonly networks: Networks;
}

/** Returns the absolute path of the given root directory, or of the default one. */
export function rootOf({ root }: Pick<StoreOptions, "root">): string {
  return root === undefined ? defaultRoot() : resolve(root);
}

/**
 * Opens the store in a root directory, and creates it if it does not exist.
 *
 * @throws {VarveError} `storage` if the directory cannot be used, `unsupported` if the machine lacks what a store needs.
 */
export async function openStore(options: StoreOptions = {}): Promise<Store> {
  const root = rootOf(options);
  try {
    makeRootDirectory(root);
  } catch (error) {
    throw toVarveError(error, `open store ${root}`, "storage");
  }
  const state = openState(join(root, "state.db"));
  try {
    checkIdMaps(state, root);
    return storeOn(root, state, openContentStore(root, state), options);
  } catch (error) {
    state.close();
    throw error;
  }
}

/**
 * Opens a store on top of the one that `options` name, for work that must not change it: it sees what that has at this moment, and writes
 * to a temporary directory. Its snapshots cannot be mounted; the directories of their layers can be read. Disposal removes everything.
 *
 * @throws {VarveError} `storage`
 */
export async function openScratchStore(options: StoreOptions): Promise<Store> {
  await using stack = new AsyncDisposableStack();
  const below = rootOf(options);
  const { path: root } = stack.use(await temporaryDirectory("varve-scratch-"));
  await copyState(join(below, "state.db"), join(root, "state.db"));
  const state = openState(join(root, "state.db"));
  const content = openContentStoreOn(below, root, state);
  const store = stack.use(storeOn(root, state, content, options, join(below, "snapshots")));
  const moved = stack.move();
  return { ...store, [Symbol.asyncDispose]: () => moved.disposeAsync() };
}

function storeOn(
  root: string,
  state: Database,
  content: ContentStore,
  options: StoreOptions,
  snapshotsBelow?: string,
): Store {
  state.install(contentTables, snapshotTables, recordTables, imageTables, cacheTables);
  const snapshotter = openSnapshotter({
    root: join(root, "snapshots"),
    state,
    // A step in a chroot gets its mounts by moves between its tree and the store, which no mount may separate.
    driver: options.snapshotter ?? (options.steps?.isolation === "chroot" ? "copy" : undefined),
    below: snapshotsBelow,
  });
  let opened: Promise<Registry> | undefined;
  const registry = (): Promise<Registry> => (opened ??= openRegistry(options.registry ?? {}));
  const mounts = new MountPoints(join(root, "mounts"));
  const clouds = new CloudCaches();
  const fetchBlob = blobFetcher({ registry, content, clouds });
  const records = new Records({ state, content, snapshotter, mounts, fetchBlob });
  const lostBlobs = new LostBlobs({ records, content });
  const directories = { table: records.table, snapshotter, mounts, locks: join(root, "locks") };
  const contexts = new ProcessDirectory(join(root, "tmp"), { own: removeTree, left: removeTree });
  const networks = new Networks(options.network ?? {}, join(root, "net"));
  return {
    root,
    state,
    content,
    snapshotter,
    records,
    networks,
    registry,
    clouds,
    registryWith: (credentials) => openRegistry({ ...options.registry, credentials }),
    images: new ImageStore(state),
    contexts,
    mounts,
    lostBlobs,
    solver: openSolver({ state, records, lostBlobs, limits: { all: options.maxParallelism, steps: machineSteps } }),
    work: new SharedWork(content, join(root, "run"), networks, options.steps),
    devices: () => loadDevices(options.devices ?? {}),
    cacheMounts: new CacheMounts(directories),
    contextCopies: new ContextCopies({ ...directories, content }),
    [Symbol.asyncDispose]: async () => {
      await snapshotter.flush();
      clouds[Symbol.dispose]();
      (await opened)?.[Symbol.dispose]();
      await networks[Symbol.asyncDispose]();
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

async function machineSteps(): Promise<number> {
  const { stepCapacity } = await import("../../exec/index.ts");
  return stepCapacity();
}

async function loadDevices(settings: DeviceSettings): Promise<Devices> {
  const { Devices: Machine } = await import("../../cdi/index.ts");
  return await Machine.load(settings);
}

async function openRegistry(options: RegistryOptions): Promise<Registry> {
  const { Registry: Client } = await import("../../registry/index.ts");
  return new Client(options);
}
