import { lstat, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { VarveError, formatWholePlatform, goQuote } from "../core/index.ts";
import type { TreeFile } from "../filesync/index.ts";
import type { Bytes } from "../io/index.ts";
import { type TarEntry, type TarInput, extractArchive, packTree, readTar, writeTar } from "../layer/index.ts";
import { byteStringOf, pathOfByteString } from "../linux/index.ts";
import { attestationFiles } from "./attestation/files.ts";
import { type Attributes, booleanAttribute } from "./attributes.ts";
import { modTimeOf, platformFolder, sendLocal } from "./send-local.ts";
import type { StreamSink, TreeSink } from "./sinks.ts";
import type { ExportDeps, ExportPlatform, ExportSource } from "./types.ts";
import { tarInputOf } from "./tar-input.ts";
import { makeDestDirectory, overwriteError, writeDest, writeToSink, writingTo } from "./write-output.ts";

export interface LocalTarget {
  readonly attrs: Attributes;
  /** A directory. */
  readonly dest: string | TreeSink;
}

export interface TarTarget {
  readonly attrs: Attributes;
  /** A file. `-` is standard output. */
  readonly dest: string | StreamSink;
}

/**
 * Writes the result's files into a directory; with several platforms, into one folder per platform (`linux_amd64`).
 *
 * @throws {VarveError} `invalid-argument` for a wrong attribute or two platforms that write the same path; `storage`.
 * @example
 * await exportLocal(source, { attrs: { mode: "delete" }, dest: "out" }, deps);
 */
export async function exportLocal(source: ExportSource, { attrs, dest }: LocalTarget, deps: ExportDeps): Promise<void> {
  const split = booleanAttribute(attrs, "platform-split", source.multi);
  const mode = attrs["mode"] ?? "copy";
  if (mode !== "copy" && mode !== "delete")
    throw new VarveError("invalid-argument", `Cannot export: invalid local exporter mode ${goQuote(mode)}`);
  if (typeof dest !== "string") return await sendLocal(source, { attrs, split, mode, sink: dest }, deps);
  const written = new WrittenPaths();
  await deps.part("copying files", async () => {
    for (const platform of source.platforms) {
      const folder = split ? join(dest, platformFolder(platform.platform)) : dest;
      await makeDestDirectory(folder);
      const prefix = split ? `${platformFolder(platform.platform)}/` : "";
      const files = observed(packed(platform, source, { attrs, split }, deps), (entry) =>
        written.add(entry, prefix, platform),
      );
      const unpack = { chown: false, signal: deps.hold.signal };
      await writingTo(folder, () => extractArchive({ bytes: files }, folder, unpack));
    }
    if (mode === "delete") await writingTo(dest, () => removeOthers(dest, written));
  });
}

/** The paths written so far. If platforms share a folder, none may overwrite a path of another. */
class WrittenPaths {
  /** The platform of each entry and of the folders above it, by path. Paths of directories end in "/". */
  readonly #kept = new Map<string, string>();

  add({ path, type }: TarEntry, prefix: string, { platform }: ExportPlatform): void {
    const [file, directory] = [`${prefix}${path}`, `${prefix}${path}/`];
    const name = formatWholePlatform(platform);
    const other = this.#kept.get(file) ?? (type === "directory" ? undefined : this.#kept.get(directory));
    if (other !== undefined) throw overwriteError(file, other, name);
    this.#kept.set(type === "directory" ? directory : file, name);
    if (prefix !== "") this.#kept.set(prefix, name);
  }

  has(path: string): boolean {
    return this.#kept.has(path);
  }
}

/**
 * Writes the result's files as one tar.
 *
 * @throws {VarveError} `invalid-argument` for a wrong attribute or two platforms that write the same path; `storage`.
 * @example
 * await exportTar(source, { attrs: {}, dest: "files.tar" }, deps);
 */
export async function exportTar(source: ExportSource, { attrs, dest }: TarTarget, deps: ExportDeps): Promise<void> {
  const split = booleanAttribute(attrs, "platform-split", source.multi);
  const tar = writeTar(entriesOf(source, { attrs, split }, deps));
  await deps.part("sending tarball", () =>
    typeof dest === "string" ? writeDest(dest, tar, deps.hold) : writeToSink(dest, tar),
  );
}

async function* entriesOf(
  source: ExportSource,
  { attrs, split }: { readonly attrs: Attributes; readonly split: boolean },
  deps: ExportDeps,
): AsyncGenerator<TarInput> {
  const written = new WrittenPaths();
  for (const platform of source.platforms) {
    const prefix = split ? `${platformFolder(platform.platform)}/` : "";
    if (prefix !== "") yield { path: prefix, type: "directory" };
    for await (const entry of readTar(packed(platform, source, { attrs, split }, deps), {
      what: "the exported tree",
    })) {
      if (entry.type === "directory" && written.has(`${prefix}${entry.path}/`)) continue;
      written.add(entry, prefix, platform);
      const linkPath = entry.type === "hardlink" ? `${prefix}${entry.linkPath}` : entry.linkPath;
      yield tarInputOf(entry, { path: `${prefix}${entry.path}`, linkPath });
    }
  }
}

/**
 * Packs a platform's tree and its attestations as a tar, with extended attributes `user.*`. If there is an epoch, all times are
 * set to it.
 */
async function* packed(
  platform: ExportPlatform,
  source: ExportSource,
  { attrs, split }: { readonly attrs: Attributes; readonly split: boolean },
  deps: ExportDeps,
): AsyncGenerator<Uint8Array> {
  const modTime = modTimeOf(source, attrs);
  const mtime = modTime === undefined ? undefined : (): bigint => modTime;
  await using view = await deps.records.mount(platform.record, deps.hold);
  const options = { attrs, isShared: source.multi && !split, modTime };
  const files = await attestationFiles(view.path, platform, options, deps);
  const tree = packTree(view.path, { xattrs: "user", signal: deps.hold.signal, mtime });
  yield* files.length === 0 ? tree : withFiles(tree, files);
}

/** Adds files to a tar. */
async function* withFiles(tar: Bytes, files: readonly TreeFile[]): AsyncGenerator<Uint8Array> {
  async function* entries(): AsyncGenerator<TarInput> {
    for await (const entry of readTar(tar, { what: "the exported tree" })) yield tarInputOf(entry, {});
    for (const { name, content, mode, modTime } of files) yield { path: name, mode, mtime: modTime, body: content };
  }
  yield* writeTar(entries());
}

/** Passes a tar through and calls `onEntry` before each entry. */
async function* observed(tar: Bytes, onEntry: (entry: TarEntry) => void): AsyncGenerator<Uint8Array> {
  async function* entries(): AsyncGenerator<TarInput> {
    for await (const entry of readTar(tar, { what: "the exported tree" })) {
      onEntry(entry);
      yield tarInputOf(entry, {});
    }
  }
  yield* writeTar(entries());
}

async function removeOthers(root: string, kept: WrittenPaths, below = ""): Promise<void> {
  for (const name of await readdir(join(root, below), { encoding: "buffer" })) {
    const path = `${below}${byteStringOf(name)}`;
    const full = join(root, String(pathOfByteString(path)));
    const isDirectory = (await lstat(full)).isDirectory();
    if (!kept.has(isDirectory ? `${path}/` : path)) await rm(full, { recursive: true, force: true });
    else if (isDirectory) await removeOthers(root, kept, `${path}/`);
  }
}
