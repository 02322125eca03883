import { createWriteStream } from "node:fs";
import { lstat, mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { finished } from "node:stream/promises";
import { type Platform, VarveError, formatPlatform, toVarveError } from "../core/index.ts";
import type { Bytes } from "../io/index.ts";
import { type TarEntry, type TarInput, extractArchive, packTree, readTar, writeTar } from "../layer/index.ts";
import { byteStringOf, pathOfByteString } from "../linux/index.ts";
import { type Attributes, booleanAttribute, parseEpoch } from "./attributes.ts";
import type { ExportDeps, ExportPlatform, ExportSource } from "./types.ts";

export interface FilesystemTarget {
  readonly attrs: Attributes;
  /** A directory, or for a tar a file; `-` is standard output. */
  readonly dest: string;
}

/** Copies the result's files into a directory; those of several platforms into a folder each. */
export async function exportLocal(
  source: ExportSource,
  { attrs, dest }: FilesystemTarget,
  deps: ExportDeps,
): Promise<void> {
  const split = booleanAttribute(attrs, "platform-split", source.multi);
  const mode = attrs["mode"] ?? "copy";
  if (mode !== "copy" && mode !== "delete")
    throw new VarveError("invalid-argument", `Cannot export to ${dest}: mode is copy or delete, not ${mode}`);
  const written = new Set<string>();
  await deps.part("copying files", async () => {
    for (const platform of source.platforms) {
      const folder = split ? join(dest, platformFolder(platform.platform)) : dest;
      await makeDirectory(folder);
      const prefix = split ? `${platformFolder(platform.platform)}/` : "";
      const files = noted(packed(platform, source, attrs, deps), (path) => note(written, `${prefix}${path}`));
      await extractArchive({ bytes: files }, folder, { chown: false, signal: deps.hold.signal });
    }
    if (mode === "delete") await removeOthers(dest, written);
  });
}

function note(written: Set<string>, path: string): void {
  if (written.has(path) && !path.endsWith("/"))
    throw new VarveError("invalid-argument", `Cannot export: cannot overwrite ${path} when split option is disabled`);
  written.add(path);
}

/** Writes the result's files as one tar. */
export async function exportTar(
  source: ExportSource,
  { attrs, dest }: FilesystemTarget,
  deps: ExportDeps,
): Promise<void> {
  const split = booleanAttribute(attrs, "platform-split", source.multi);
  await deps.part("sending tarball", () => writeOutput(dest, writeTar(entriesOf(source, { attrs, split }, deps))));
}

async function* entriesOf(
  source: ExportSource,
  { attrs, split }: { readonly attrs: Attributes; readonly split: boolean },
  deps: ExportDeps,
): AsyncGenerator<TarInput> {
  for (const platform of source.platforms) {
    const prefix = split ? `${platformFolder(platform.platform)}/` : "";
    if (prefix !== "") yield { path: prefix, type: "directory" };
    for await (const entry of readTar(packed(platform, source, attrs, deps), { what: "the exported tree" }))
      yield inputOf(entry, prefix);
  }
}

function inputOf(entry: TarEntry, prefix: string): TarInput {
  const { body, rawPath: _raw, size, ...header } = entry;
  const linkPath = entry.type === "hardlink" ? `${prefix}${entry.linkPath}` : entry.linkPath;
  return {
    ...header,
    path: `${prefix}${entry.path}`,
    linkPath,
    ...(entry.type === "file" ? { body: { size, bytes: body } } : {}),
  };
}

/** A platform's tree as a tar: user attributes too, and every time set to the epoch if there is one. */
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
  yield* packTree(view.path, { xattrs: "user", signal: deps.hold.signal, ...(mtime === undefined ? {} : { mtime }) });
}

/** Passes a tar on, telling of each entry's path first; a directory's ends in "/". */
async function* noted(tar: Bytes, onPath: (path: string) => void): AsyncGenerator<Uint8Array> {
  async function* entries(): AsyncGenerator<TarInput> {
    for await (const entry of readTar(tar, { what: "the exported tree" })) {
      onPath(entry.type === "directory" ? `${entry.path}/` : entry.path);
      yield inputOf(entry, "");
    }
  }
  yield* writeTar(entries());
}

/** `linux_amd64`. */
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

/** Makes the place of an output, and what is missing above it. */
export async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (error) {
    throw toVarveError(error, `write to ${path}`, "storage");
  }
}

/** Writes bytes to a file, or to standard output for `-`. */
export async function writeOutput(dest: string, bytes: Bytes): Promise<void> {
  const stream = dest === "-" ? process.stdout : createWriteStream(dest);
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => undefined);
  stream.once("error", failed.reject);
  try {
    for await (const chunk of bytes) {
      if (!stream.write(chunk)) await Promise.race([drained(stream), failed.promise]);
    }
    if (dest !== "-") await Promise.race([finished(stream.end()), failed.promise]);
  } catch (error) {
    if (dest !== "-") stream.destroy();
    if (dest !== "-") await rm(dest, { force: true });
    throw toVarveError(error, `write ${dest}`, "storage");
  } finally {
    stream.removeListener("error", failed.reject);
  }
}

async function drained(stream: NodeJS.WritableStream): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  stream.once("drain", resolve);
  await promise;
}
