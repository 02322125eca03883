import type {
  Attributes,
  ContentSink,
  ExportDeps,
  ExportSource,
  ExportedImage,
  StreamSink,
  TreeSink,
} from "../export/index.ts";
import { keepUntagged, nameImage } from "../image/index.ts";
import { inlineCacheOf } from "./cache/exports.ts";
import type { Descriptor } from "../core/index.ts";
import type { BlobOptions } from "../record/index.ts";
import type { BuildResult, BuildSettings, OutputSpec } from "./options/options.ts";
import type { Activity } from "./progress/progress.ts";
import type { Session } from "./session.ts";
import { transferStatuses, waitReporter } from "./progress/transfers.ts";

export type ExportReport = Pick<BuildResult, "names" | "metadata"> & {
  readonly digest?: string | undefined;
  readonly configDigest?: string | undefined;
  /** The images that were exported, by the index of their output. */
  readonly descriptors: ReadonlyMap<number, Descriptor>;
};

/** An output whose destination may be a client of a server. */
export type BuildOutput = OutputSpec | ClientOutput | DaemonOutput;

/** An image for a client of Docker's daemon: the store keeps it also if it gets no name, or loses its only one. */
interface DaemonOutput {
  readonly type: "moby";
  readonly attrs: Readonly<Record<string, string>>;
}

type ClientOutput = { readonly attrs: Readonly<Record<string, string>> } & (
  | { readonly type: "oci" | "docker"; readonly dest: StreamSink | ContentSink }
  | { readonly type: "tar"; readonly dest: StreamSink }
  | { readonly type: "local"; readonly dest: TreeSink }
);

/** The outputs of a build, and annotations for all of them. Default: the image is kept in the store. */
export interface OutputSettings extends Pick<BuildSettings, "annotations"> {
  readonly outputs?: readonly BuildOutput[] | undefined;
  /** Whether configs of images contain the cache (`type=inline`). */
  readonly inline: boolean;
}

/**
 * Returns how outputs need the layers of a result: as blobs with the compression of the first output. Undefined if an output needs
 * files, or has attributes that its exporter will refuse.
 */
export async function blobsFor(
  outputs: readonly BuildOutput[] = [{ type: "image", attrs: {} }],
): Promise<BlobOptions | undefined> {
  if (outputs.length === 0 || !outputs.every(({ type }) => FOR_BLOBS.has(type))) return undefined;
  const { parseImageAttributes } = await import("../export/index.ts");
  try {
    const [first, ...others] = outputs.map(({ attrs = {} }) => parseImageAttributes(attrs));
    if (first === undefined || [first, ...others].some(({ unpack }) => unpack)) return undefined;
    return { compression: first.compression, level: first.level };
  } catch {
    return undefined;
  }
}

const FOR_BLOBS: ReadonlySet<BuildOutput["type"]> = new Set(["moby", "image", "registry", "oci", "docker"]);

/** Writes the results of a build to all outputs concurrently. When all have ended, throws the first error. */
export async function exportOutputs(
  source: ExportSource,
  settings: OutputSettings,
  session: Session,
): Promise<ExportReport> {
  const outputs = settings.outputs ?? [{ type: "image" }];
  const settled = await Promise.allSettled(outputs.map((output) => exportOutput(source, output, settings, session)));
  const images = settled.map((result) => {
    if (result.status === "rejected") throw result.reason;
    return result.value;
  });
  const descriptors = new Map(images.flatMap((each, index) => (each === undefined ? [] : [[index, each.descriptor]])));
  // As in BuildKit, later outputs overwrite what earlier ones say.
  const image = images.findLast((each) => each !== undefined);
  const names = [...new Set(images.flatMap((each) => each?.names ?? []))];
  if (image === undefined) return { names, metadata: {}, descriptors };
  const { descriptor, configDigest } = image;
  return {
    names,
    descriptors,
    digest: descriptor.digest,
    configDigest,
    metadata: {
      "containerimage.digest": descriptor.digest,
      "containerimage.config.digest": configDigest,
      "containerimage.descriptor": descriptor,
      ...(image.names.length === 0 ? {} : { "image.name": image.names.join(",") }),
    },
  };
}

const TITLES: Readonly<Record<BuildOutput["type"], string>> = {
  moby: "exporting to image",
  image: "exporting to image",
  registry: "exporting to image",
  oci: "exporting to oci image format",
  docker: "exporting to docker image format",
  tar: "exporting to client tarball",
  local: "exporting to client directory",
  cacheonly: "",
};

async function exportOutput(
  source: ExportSource,
  output: BuildOutput,
  settings: OutputSettings,
  session: Session,
): Promise<ExportedImage | undefined> {
  if (output.type === "cacheonly") return undefined;
  return await session.progress.activity(TITLES[output.type], async (activity) => {
    const deps = depsOf(session, activity, settings);
    if (output.type !== "moby") return await write(source, output, settings, deps);
    const { store } = session;
    const images = { tag: async (name: string, image: Descriptor) => await nameImage(store, name, image) };
    const image = await write(source, output, settings, { ...deps, images });
    if (image !== undefined) keep(image, session);
    return image;
  });
}

/** Keeps an image of one platform that has no name. An image of several platforms has got one that contains its digest. */
function keep({ names, configDigest, descriptor }: ExportedImage, { store }: Session): void {
  if (names.length === 0 && configDigest !== undefined) keepUntagged(store, { id: configDigest, manifest: descriptor });
}

async function write(
  source: ExportSource,
  output: BuildOutput,
  { annotations: given = {} }: OutputSettings,
  deps: ExportDeps,
): Promise<ExportedImage | undefined> {
  const { annotationAttributes, exportArchive, exportImage, exportLocal, exportTar, parseImageAttributes } =
    await import("../export/index.ts");
  const annotations = Object.entries(given).flatMap(([key, value]) => annotationAttributes(key, value));
  const attrs: Attributes = { ...Object.fromEntries(annotations), ...output.attrs };
  switch (output.type) {
    case "image":
      return await exportImage(source, parseImageAttributes(attrs), deps);
    case "moby":
      return await exportImage(source, parseImageAttributes(daemonAttributes(source, attrs)), deps);
    case "registry":
      return await exportImage(source, parseImageAttributes({ push: "true", ...attrs }), deps);
    case "oci":
    case "docker":
      return await exportArchive(output.type, source, { attrs: parseImageAttributes(attrs), dest: output.dest }, deps);
    case "local":
      await exportLocal(source, { attrs, dest: output.dest ?? "." }, deps);
      return undefined;
    case "tar":
      await exportTar(source, { attrs, dest: output.dest ?? "-" }, deps);
      return undefined;
    case "cacheonly":
      return undefined;
  }
}

/**
 * Returns the attributes of an image for Docker's daemon. One of a single platform needs no name that contains the digest. Attestations
 * that clients ask for by default are left out, as in archives: with them, the id of the image would depend on its names.
 */
function daemonAttributes({ platforms, multi }: ExportSource, given: Attributes): Attributes {
  const attrs = { "attestation-inline": "false", ...given };
  if (platforms.length !== 1 || multi) return attrs;
  return Object.fromEntries(Object.entries(attrs).filter(([key]) => key !== "dangling-name-prefix"));
}

function depsOf(session: Session, activity: Activity, { inline }: OutputSettings): ExportDeps {
  const { content, records, images } = session.store;
  const status = transferStatuses();
  return {
    content,
    records,
    images,
    registry: session.registry,
    hold: { ...session.hold, onWait: waitReporter((line) => activity.report(line)) },
    part: (id, work) => activity.part(id, work),
    warn: (message) => session.progress.warn(message),
    ...(inline ? { inlineCache: (index, layers) => inlineCacheOf(index, layers, session) } : {}),
    onSent: (id, bytes) => activity.sent(id, bytes),
    onTransfer: (event) => activity.report({ kind: "progress", ...status(event) }),
  };
}
