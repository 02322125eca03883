import { randomBytes } from "node:crypto";
import { lstat, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { type Digest, errnoOf, isDigest } from "../core/index.ts";
import type { Layout } from "./layout.ts";
import type { QuarantinedBlob } from "./types.ts";

/** How long damaged files are kept for examination, in ms. */
export const QUARANTINE_RETENTION = 604_800_000;

/** `<algorithm>-<hex>-<ms since the epoch>-<random>` */
const NAME = /^(sha256|sha512)-([0-9a-f]+)-(\d{1,15})-[0-9a-f]+$/;

/** Returns a unique path in quarantine for the damaged file of a blob. */
export function quarantinePath({ quarantine }: Layout, digest: Digest): string {
  return join(quarantine, `${digest.replace(":", "-")}-${Date.now()}-${randomBytes(6).toString("hex")}`);
}

function parseName(name: string): { readonly digest: Digest; readonly since: number } | undefined {
  const [, algorithm, hex, since] = NAME.exec(name) ?? [];
  const digest = `${algorithm}:${hex}`;
  return isDigest(digest) ? { digest, since: Number(since) } : undefined;
}

async function bytesAt(path: string): Promise<number | undefined> {
  try {
    const found = await lstat(path);
    return found.isFile() ? found.size : 0;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** The files in quarantine, in no order. */
export async function listQuarantine({ quarantine }: Layout): Promise<(QuarantinedBlob & { readonly path: string })[]> {
  const found = [];
  for (const name of await readdir(quarantine)) {
    const parsed = parseName(name);
    const path = join(quarantine, name);
    const bytes = await bytesAt(path);
    if (parsed !== undefined && bytes !== undefined) found.push({ ...parsed, bytes, path });
  }
  return found;
}

/** Removes files older than `retention` milliseconds. Returns their bytes. */
export async function emptyQuarantine(layout: Layout, retention: number): Promise<number> {
  let removed = 0;
  for (const { path, bytes, since } of await listQuarantine(layout)) {
    if (Date.now() - since < retention) continue;
    await rm(path, { recursive: true, force: true });
    removed += bytes;
  }
  return removed;
}
