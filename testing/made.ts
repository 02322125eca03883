import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { collect } from "../src/io/index.ts";
import { type TarEntryType, readTar } from "../src/layer/index.ts";

export interface MadeFile {
  readonly type: TarEntryType;
  readonly mode: number;
  /** `uid:gid`. */
  readonly owner: string;
  readonly link: string;
  /** Seconds since 1970. */
  readonly mtime: number;
  readonly text: string;
}

/** An image config as it stands in the layout: what tests look at. */
export interface MadeConfig {
  readonly architecture: string;
  readonly os: string;
  readonly variant?: string;
  readonly created?: string;
  readonly author?: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly rootfs: { readonly diff_ids: readonly string[] };
  readonly history: readonly Readonly<Record<string, unknown>>[];
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

export interface MadeManifest {
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly annotations?: Readonly<Record<string, string>>;
}

/** What a build made: its files by path, and its image. */
export interface Made {
  readonly files: ReadonlyMap<string, MadeFile>;
  readonly config: MadeConfig;
  readonly manifest: MadeManifest;
  /** The layout's directory. */
  readonly layout: string;
  /** The content of a file that must be there. */
  text(path: string): string;
}

/** Reads a result's tar and the OCI layout of its image. */
export async function readMade(tar: string, layout: string): Promise<Made> {
  const files = await filesOfTar(tar);
  const manifest = await readManifest(layout);
  return {
    files,
    layout,
    manifest,
    config: await json<MadeConfig>(blobPath(layout, manifest.config.digest)),
    text: (path) => {
      const file = files.get(path);
      if (file === undefined) throw new Error(`${path} is not in the image: ${[...files.keys()].join(" ")}`);
      return file.text;
    },
  };
}

/** The manifest of the first image of an OCI layout. */
export async function readManifest(layout: string): Promise<MadeManifest> {
  const index = await json<{ manifests: readonly Descriptor[] }>(join(layout, "index.json"));
  return await json<MadeManifest>(blobPath(layout, index.manifests[0]?.digest ?? ""));
}

/** Every entry of a tar file by its path. */
export async function filesOfTar(path: string): Promise<Map<string, MadeFile>> {
  const files = new Map<string, MadeFile>();
  for await (const entry of readTar(createReadStream(path), { what: path })) {
    const content = await collect(entry.body, 16 * 1024 * 1024, { what: entry.path });
    files.set(entry.path, {
      type: entry.type,
      mode: entry.mode,
      owner: `${entry.uid}:${entry.gid}`,
      link: entry.linkPath,
      mtime: Number(entry.mtime / 1_000_000_000n),
      text: Buffer.from(content).toString(),
    });
  }
  return files;
}

/** The file of a blob in an OCI layout. */
export function blobPath(layout: string, digest: string): string {
  return join(layout, "blobs", ...digest.split(":"));
}

async function json<T>(path: string): Promise<T> {
  return JSON.parse(await readFile(path, "utf8")) as T;
}
