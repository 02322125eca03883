import type { ContentStore } from "../../content/index.ts";
import type { Snapshotter } from "../../snapshot/index.ts";
import type { RecordTable } from "../table.ts";
import type { FetchBlob } from "../types.ts";
import type { MountPoints } from "./mount-points.ts";

/** What the snapshot form of layers is made with. */
export interface SnapshotDeps {
  readonly table: RecordTable;
  readonly content: ContentStore;
  readonly snapshotter: Snapshotter;
  readonly fetchBlob: FetchBlob;
  readonly mounts: MountPoints;
}
