import { join } from "node:path";
import { type ContentStore, openContentStore } from "../src/content/index.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../src/io/index.ts";
import { hasCapability } from "../src/linux/index.ts";
import {
  CacheMounts,
  ContextCopies,
  type FetchBlob,
  type Hold,
  MountPoints,
  type RecordId,
  Records,
} from "../src/record/index.ts";
import { type DriverName, type Snapshotter, openSnapshotter } from "../src/snapshot/index.ts";
import { type Database, openState } from "../src/state/index.ts";

export interface RecordsOptions {
  readonly driver?: DriverName;
  readonly fetchBlob?: FetchBlob;
  /** A root that exists; one of its own otherwise. */
  readonly root?: string;
}

/** Records over a root of their own. Disposing gives the lease back and removes the root. */
export interface TemporaryRecords extends AsyncDisposable {
  readonly root: string;
  readonly state: Database;
  readonly content: ContentStore;
  readonly snapshotter: Snapshotter;
  readonly records: Records;
  readonly cacheMounts: CacheMounts;
  readonly contextCopies: ContextCopies;
  readonly hold: Hold;
}

/** Why records cannot be had here; undefined if they can. */
export function recordsMissing(): string | undefined {
  return hasCapability("sys_admin") && hasCapability("mknod") ? undefined : "needs root: trees are mounted";
}

export async function temporaryRecords(options: RecordsOptions = {}): Promise<TemporaryRecords> {
  await using stack = new AsyncDisposableStack();
  const root = options.root ?? stack.use<TemporaryDirectory>(await temporaryDirectory("varve-records-")).path;
  const state = openState(join(root, "state.db"));
  stack.defer(() => state.close());
  const content = openContentStore(root, state);
  const snapshotter = openSnapshotter({ root: join(root, "snapshots"), state, driver: options.driver });
  const fetchBlob: FetchBlob = options.fetchBlob ?? (() => Promise.reject(new Error("nothing to fetch from")));
  const mounts = stack.use(new MountPoints(join(root, "mounts")));
  const records = new Records({ state, content, snapshotter, fetchBlob, mounts });
  const hold: Hold = { lease: stack.use(await content.lease()) };
  const owned = stack.move();
  const directories = { table: records.table, snapshotter, mounts, locks: join(root, "locks") };
  return {
    root,
    state,
    content,
    snapshotter,
    records,
    cacheMounts: new CacheMounts(directories),
    contextCopies: new ContextCopies({ ...directories, content }),
    hold,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** A layer on `parent` with what `fill` puts into it. */
export async function addLayer(
  { records, hold }: Pick<TemporaryRecords, "records" | "hold">,
  parent: RecordId,
  fill: (path: string) => Promise<unknown> | void,
): Promise<RecordId> {
  await using layer = await records.begin(parent, {}, hold);
  await fill(layer.path);
  return (await layer.commit()).id;
}
