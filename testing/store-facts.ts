import { readdirSync } from "node:fs";
import { join } from "node:path";
import { DigestHasher, digestAlgorithm } from "../src/core/index.ts";
import { diskUsage } from "../src/caches/index.ts";
import { listImages } from "../src/images/index.ts";
import { openStore } from "../src/engine/index.ts";

/** What stands in a root that no process uses. */
export interface StoreFacts {
  readonly images: readonly string[];
  readonly records: readonly string[];
  readonly blobs: readonly string[];
  readonly snapshots: readonly string[];
  /** What should not be there when nothing runs: half-written blobs, steps, unpacked contexts, leases, active snapshots. */
  readonly leftovers: readonly string[];
  /** What the tables speak of and the disk has not, or has with other bytes. */
  readonly missing: readonly string[];
}

/** Reads a root as a library user would, and compares its tables with its files. */
export async function storeFacts(
  root: string,
  { verify = false }: { readonly verify?: boolean } = {},
): Promise<StoreFacts> {
  await using store = await openStore({ root });
  const blobs = [...store.content.walk()];
  const snapshots = [...store.snapshotter.walk()];
  const usages = await diskUsage(store);
  const mutable = store.records.table.all().filter((row) => row.kind === "mutable");
  const cacheMounts = new Set(mutable.map((row) => row.snapshot));
  const active = snapshots.filter((each) => each.kind !== "committed" && !cacheMounts.has(each.name));
  const missing: string[] = [];
  for (const { digest, size } of blobs) {
    const hasher = new DigestHasher(digestAlgorithm(digest));
    let read = 0;
    try {
      if (!verify) continue;
      for await (const chunk of store.content.open(digest)) {
        hasher.update(chunk);
        read += chunk.byteLength;
      }
      if (hasher.digest() !== digest || read !== size) missing.push(`blob ${digest} has other bytes`);
    } catch (error) {
      missing.push(`blob ${digest}: ${String(error)}`);
    }
  }
  const names = new Set(snapshots.map((each) => each.name));
  for (const row of store.records.table.all())
    if (row.snapshot !== undefined && !names.has(row.snapshot)) missing.push(`snapshot ${row.snapshot} of ${row.id}`);
  return {
    images: (await listImages(store)).map((image) => `${image.name} ${image.digest}`).toSorted(),
    records: usages.map((usage) => usage.id).toSorted(),
    blobs: blobs.map((blob) => blob.digest).toSorted(),
    snapshots: [...names].toSorted(),
    leftovers: [
      ...below(root, "content/ingest"),
      ...below(root, "tmp"),
      ...below(root, "run").flatMap((path) => steps(root, path)),
      ...active.map((each) => `${each.kind} snapshot ${each.name}`),
      ...store.state.all("SELECT id FROM lease").map((row) => `lease ${String(row["id"])}`),
    ],
    missing,
  };
}

/** What is in a runner's own directory besides its lock: steps. The directory itself stays for the next runner to take away. */
function steps(root: string, path: string): string[] {
  if (/^run\/(?:lock|seccomp-[0-9a-f]+\.bpf)$/.test(path)) return [];
  return /^run\/\d+-[0-9a-f]{12}$/.test(path) ? below(root, path).filter((name) => !name.endsWith("/lock")) : [path];
}

function below(root: string, folder: string): string[] {
  try {
    return readdirSync(join(root, folder)).map((name) => `${folder}/${name}`);
  } catch {
    return [];
  }
}
