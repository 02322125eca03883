import { lstat, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { type Platform, VarveError, formatPlatform } from "../core/index.ts";
import type { Bytes } from "../io/index.ts";
import { type TarEntry, type TarInput, extractArchive, packTree, readTar, writeTar } from "../layer/index.ts";
import { byteStringOf, pathOfByteString } from "../linux/index.ts";
import { type Attributes, booleanAttribute, parseEpoch } from "./attributes.ts";
import type { ExportDeps, ExportPlatform, ExportSource } from "./types.ts";
import { tarInputOf } from "./tar-input.ts";
import { makeDestDirectory, writeDest, writingTo } from "./write-output.ts";

export interface FilesystemTarget {
  readonly attrs: Attributes;
  /** A directory for `exportLocal`; a file for `exportTar`, where `-` is standard output. */
  readonly dest: string;
}

/**
 * Writes the result's files into a directory; with several platforms, into one folder per platform (`linux_amd64`).
 *
 * @throws {VarveError} `invalid-argument` for a wrong attribute or two platforms that write the same path; `storage`.
 * @example
 * await exportLocal(source, { attrs: { mode: "delete" }, dest: "out" }, deps);
 */
export async function exportLocal(
  source: ExportSource,
  { attrs, dest }: FilesystemTarget,
  deps: ExportDeps,
): Promise<void> {
  const split = booleanAttribute(attrs, "platform-split", source.multi);
  const mode = attrs["mode"] ?? "copy";
  if (mode !== "copy" && mode !== "delete")
    throw new VarveError("invalid-argument", `Cannot export to ${dest}: mode is copy or delete, not ${mode}`);
  const written = new WrittenPaths();
  await deps.part("copying files", async () => {
    for (const platform of source.platforms) {
      const folder = split ? join(dest, platformFolder(platform.platform)) : dest;
      await makeDestDirectory(folder);
      const prefix = split ? `${platformFolder(platform.platform)}/` : "";
      const files = observed(packed(platform, source, attrs, deps), (entry) => written.add(entry, prefix));
      const unpack = { chown: false, signal: deps.hold.signal };
      await writingTo(folder, () => extractArchive({ bytes: files }, folder, unpack));
    }
    if (mode === "delete") await writingTo(dest, () => removeOthers(dest, written.kept));
  });
}

/** The paths written so far. If platforms share a folder, none may overwrite a path of another. */
class WrittenPaths {
  /** Paths of entries and of the folders above them. Those of directories end in "/". */
  readonly kept = new Set<string>();

  add({ path, type }: TarEntry, prefix: string): void {
    const [file, directory] = [`${prefix}${path}`, `${prefix}${path}/`];
    if (this.kept.has(file) || (type !== "directory" && this.kept.has(directory)))
      throw new VarveError("invalid-argument", `Cannot export: cannot overwrite ${file} when split option is disabled`);
    this.kept.add(type === "directory" ? directory : file);
    if (prefix !== "") this.kept.add(prefix);
  }
}

/**
 * Writes the result's files as one tar.
 *
 * @throws {VarveError} `invalid-argument` for a wrong attribute or two platforms that write the same path; `storage`.
 * @example
 * await exportTar(source, { attrs: {}, dest: "files.tar" }, deps);
 */
export async function exportTar(
  source: ExportSource,
  { attrs, dest }: FilesystemTarget,
  deps: ExportDeps,
): Promise<void> {
  const split = booleanAttribute(attrs, "platform-split", source.multi);
  const tar = writeTar(entriesOf(source, { attrs, split }, deps));
  await deps.part("sending tarball", () => writeDest(dest, tar, deps.hold));
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
    for await (const entry of readTar(packed(platform, source, attrs, deps), { what: "the exported tree" })) {
      if (entry.type === "directory" && written.kept.has(`${prefix}${entry.path}/`)) continue;
      written.add(entry, prefix);
      const linkPath = entry.type === "hardlink" ? `${prefix}${entry.linkPath}` : entry.linkPath;
      yield tarInputOf(entry, { path: `${prefix}${entry.path}`, linkPath });
    }
  }
}

/** Packs a platform's tree as a tar, with extended attributes `user.*`. If there is an epoch, all times are set to it. */
async function* packed(
  platform: ExportPlatform,
  source: ExportSource,
  attrs: Attributes,
  deps: ExportDeps,
): AsyncGenerator<Uint8Array> {
  const given = parseEpoch(attrs["source-date-epoch"]);
  const seconds = given.kind === "seconds" ? given.seconds : given.kind === "unset" ? source.epoch : undefined;
  const mtime = seconds === undefined ? undefined : (): bigint => BigInt(seconds) * 1_000_000_000n;
  await using view = await deps.records.mount(platform.record, deps.hold);
  yield* packTree(view.path, { xattrs: "user", signal: deps.hold.signal, mtime });
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

/** Returns for example `linux_amd64`. */
function platformFolder(platform: Platform): string {
  return formatPlatform(platform).replaceAll("/", "_");
}

async function removeOthers(root: string, kept: ReadonlySet<string>, below = ""): Promise<void> {
  for (const name of await readdir(join(root, below), { encoding: "buffer" })) {
    const path = `${below}${byteStringOf(name)}`;
    const full = join(root, String(pathOfByteString(path)));
    const isDirectory = (await lstat(full)).isDirectory();
    if (!kept.has(isDirectory ? `${path}/` : path)) await rm(full, { recursive: true, force: true });
    else if (isDirectory) await removeOthers(root, kept, `${path}/`);
  }
}
