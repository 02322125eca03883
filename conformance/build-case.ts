import { chmod, mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { sh, type Outcome } from "../testing/varve.ts";
import type { ConformanceCase, ContextFile } from "./case.ts";
import { type LayerEntry, layerEntries } from "./layer-entries.ts";
import { normalStream } from "./normal-stream.ts";

/** A daemon as the stock client sees it. */
export interface Engine {
  readonly docker: (args: readonly string[]) => Promise<Outcome>;
  readonly base: string;
}

/** What a build came to, with nothing in it that differs from run to run. */
export interface CaseOutcome {
  readonly code: number | null;
  /** Lines of standard output and error. */
  readonly stream: readonly string[];
  readonly image: CaseImage | undefined;
}

export interface CaseImage {
  readonly config: unknown;
  /** Oldest first, without times. */
  readonly history: readonly unknown[];
  /** Lowest first, those of the base left out. */
  readonly layers: readonly (readonly LayerEntry[])[];
}

/** Builds a case in a folder of its own, twice as its `before` says, and looks at what came out. */
export async function buildCase(one: ConformanceCase, engine: Engine, folder: string): Promise<CaseOutcome> {
  const context = join(folder, "context");
  await writeContext(context, one.files ?? {});
  const build = async (dockerfile: string, flags: readonly string[]): Promise<Outcome> => {
    await writeFile(join(context, "Dockerfile"), dockerfile.replaceAll("{base}", engine.base));
    return await engine.docker(["build", "--network=none", ...flags, context]);
  };
  if (one.before !== undefined) await build(one.before.dockerfile, ["-t", one.before.tag]);
  const tag = `case-${one.name.replaceAll(/[^a-z0-9]+/gi, "-").toLowerCase()}`;
  const { code, stdout, stderr } = await build(one.dockerfile, ["-t", tag, ...(one.flags ?? [])]);
  const stream = normalStream(stdout, stderr, { context, base: engine.base });
  if (code !== 0) return { code, stream, image: undefined };
  return {
    code,
    stream,
    image: one.layerless === true ? await inspected(tag, engine) : await imageOf(tag, engine, folder),
  };
}

/** An image without layers, which `docker save` may refuse. */
async function inspected(tag: string, { docker }: Engine): Promise<CaseImage> {
  const { stdout } = await docker(["image", "inspect", tag]);
  const [{ Config }] = JSON.parse(stdout) as [{ Config: unknown }];
  const rows = await docker(["history", "--no-trunc", "--format={{.CreatedBy}}", tag]);
  return { config: configOf(Config), history: rows.stdout.trim().split("\n").reverse(), layers: [] };
}

async function writeContext(folder: string, files: Readonly<Record<string, ContextFile>>): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const [path, file] of Object.entries(files)) {
    const at = join(folder, path);
    await mkdir(dirname(at), { recursive: true });
    if (typeof file === "string") await writeFile(at, file);
    else if (file.link !== undefined) await symlink(file.link, at);
    else {
      await writeFile(at, file.content);
      await chmod(at, file.mode ?? 0o644);
    }
  }
}

async function imageOf(tag: string, { docker, base }: Engine, folder: string): Promise<CaseImage> {
  const image = await saved(tag, docker, join(folder, "image"));
  const below = await saved(base, docker, join(folder, "base"));
  const shared = below.config.rootfs.diff_ids;
  const own = image.config.rootfs.diff_ids.every((id, at) => at >= shared.length || id === shared[at])
    ? image.layers.slice(Math.min(shared.length, image.layers.length))
    : image.layers;
  return {
    config: configOf(image.config.config),
    history: (image.config.history ?? []).map(({ created: _created, comment, ...entry }) => ({
      ...entry,
      // That of a squashed image says of which images it is made.
      ...(comment !== undefined && { comment: comment.replaceAll(/sha256:[0-9a-f]{64}/g, "<id>") }),
    })),
    layers: await Promise.all(own.map((layer) => layerEntries(layer))),
  };
}

/** What a config says: empty fields and the id of the image before it left out. */
function configOf(config: unknown): unknown {
  const isSaid = ([key, value]: [string, unknown]): boolean =>
    key !== "Image" &&
    value !== null &&
    value !== "" &&
    value !== false &&
    (typeof value !== "object" || Object.keys(value).length > 0);
  return Object.fromEntries(Object.entries(config ?? {}).filter(isSaid));
}

interface SavedConfig {
  readonly config: unknown;
  readonly history?: readonly { readonly created?: string; readonly comment?: string }[];
  readonly rootfs: { readonly diff_ids: readonly string[] };
}

/** The config and the layers' files of an image as `docker save` gives them. */
async function saved(
  name: string,
  docker: Engine["docker"],
  folder: string,
): Promise<{ readonly config: SavedConfig; readonly layers: readonly string[] }> {
  const archive = `${folder}.tar`;
  const { code, stderr } = await docker(["save", "-o", archive, name]);
  if (code !== 0) throw new Error(`docker save ${name}: ${stderr}`);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder);
  await sh("tar", "-C", folder, "-xf", archive);
  const manifests = JSON.parse(await readFile(join(folder, "manifest.json"), "utf8")) as readonly SavedManifest[];
  const [manifest] = manifests;
  if (manifest === undefined) throw new Error(`docker save ${name}: no manifest`);
  const config = JSON.parse(await readFile(join(folder, manifest.Config), "utf8")) as SavedConfig & {
    rootfs: { diff_ids?: string[] | null };
  };
  return {
    config: { ...config, rootfs: { diff_ids: config.rootfs.diff_ids ?? [] } },
    layers: (manifest.Layers ?? []).map((layer) => join(folder, layer)),
  };
}

interface SavedManifest {
  readonly Config: string;
  readonly Layers: readonly string[] | null;
}
