import {
  type Platform,
  VarveError,
  formatReference,
  formatWholePlatform,
  goQuote,
  messageOf,
  normalizePlatform,
  parseReference,
  withDefaultTag,
} from "../../core/index.ts";
import { didYouMean, fault, suggestion } from "../../dockerfile/index.ts";
import { type State, image as imageSource, scratch } from "../../llb/index.ts";
import { type CompileContext, platformPrefix } from "../compile-context.ts";
import { type ImageDraft, emptyImage, imagePlatform, parseImageConfig } from "../config/image-draft.ts";
import { type ContextLookup, type NamedContextRef, findNamedContext, loadNamedContext } from "./named-context.ts";
import type { ResolvedImage } from "../options.ts";
import type { BaseUse, ResolvedBase } from "./resolved-base.ts";
import type { StageNode } from "./stage-node.ts";

/** Errors of base images that could not be looked up, by name. */
export type MissingBases = Map<string, VarveError>;

export interface ResolveContext extends ContextLookup {
  /** Stage names to suggest for an image that does not exist. */
  readonly names: readonly string[];
}

const COMMON_IMAGES = ["alpine", "busybox", "centos", "debian", "golang", "ubuntu", "fedora"];

async function fromNamedContext(
  ref: NamedContextRef,
  platform: Platform,
  replacesStage: boolean,
  resolve: ResolveContext,
): Promise<ResolvedBase> {
  const loaded = await loadNamedContext(ref, resolve);
  const image = loaded.image ?? emptyImage(platform);
  const own = replacesStage ? (imagePlatform(image) ?? platform) : platform;
  const makeState = ({ paths }: BaseUse): State => loaded.makeState(paths).with({ platform: own });
  return {
    image,
    baseImage: replacesStage ? undefined : image,
    platform: own,
    replacesStage,
    isMissing: false,
    makeState,
  };
}

/** True for an image without layers, which is equivalent to scratch. */
function isEmpty({ rootfs, history }: ImageDraft): boolean {
  return rootfs.diff_ids === null && history.every((entry) => entry.empty_layer === true);
}

/** Returns the image's platform if the machine can run it, else the wanted one. For builds without a target platform. */
function detectPlatform(image: ImageDraft, wanted: Platform, { build }: CompileContext): Platform {
  const matches = (platform: Platform): boolean =>
    platform.os === image.os && platform.architecture === image.architecture;
  if (matches(wanted)) return wanted;
  return matches(build) ? build : wanted;
}

function platformWarning(
  name: string,
  expected: Platform,
  image: ImageDraft,
): { platformWarning?: string | undefined } {
  if (isEmpty(image)) return {};
  if (expected.os === image.os && expected.architecture === image.architecture) return {};
  const own = imagePlatform(image);
  const actual = own === undefined ? "" : formatWholePlatform(own);
  const wanted = formatWholePlatform(normalizePlatform(expected));
  return {
    platformWarning: `Base image ${name} was pulled with platform ${goQuote(actual)}, expected ${goQuote(wanted)} for current build`,
  };
}

async function lookUp(
  node: StageNode,
  reference: string,
  platform: Platform,
  resolve: ResolveContext,
): Promise<ResolvedImage> {
  const { context, images, names } = resolve;
  try {
    return await images.resolve({
      reference,
      platform,
      mode: context.options.resolveMode ?? "default",
      name: `[${platformPrefix(context, formatWholePlatform(platform)).trimStart()}internal] load metadata for ${reference}`,
    });
  } catch (error) {
    if (!(error instanceof VarveError) || error.code === "cancelled") throw error;
    if (error.code === "remote") throw error;
    const options = [...names, ...COMMON_IMAGES, ...COMMON_IMAGES.map((name) => `${name}:latest`)];
    const message = error.message + didYouMean(suggestion(node.baseName, options));
    const { details, hint } = error;
    throw new VarveError(error.code, message, { details, cause: error, hint });
  }
}

async function fromRegistry(
  node: StageNode,
  reference: string,
  wanted: Platform,
  resolve: ResolveContext,
): Promise<ResolvedBase> {
  const { context } = resolve;
  const found = await lookUp(node, reference, wanted, resolve);
  const image = parseImageConfig(found.config, reference);
  const platform =
    node.platform === undefined && context.implicitTarget ? detectPlatform(image, wanted, context) : wanted;
  const pinned = formatReference({ ...parseReference(found.reference ?? reference), digest: found.digest });
  const makeState = ({ title }: BaseUse): State => {
    if (isEmpty(image)) return scratch().with({ platform });
    const name = title(`FROM ${pinned}`);
    const description = { "com.docker.dockerfile.v1.command": node.stage?.code ?? "" };
    return imageSource(pinned, { name, description, platform, resolveMode: context.options.resolveMode ?? "default" });
  };
  return {
    image,
    baseImage: image,
    platform,
    replacesStage: false,
    isMissing: false,
    ...platformWarning(node.baseName, platform, image),
    makeState,
  };
}

function onScratch(platform: Platform): ResolvedBase {
  const makeState = (): State => scratch().with({ platform });
  return {
    image: emptyImage(platform),
    baseImage: undefined,
    platform,
    replacesStage: false,
    isMissing: false,
    makeState,
  };
}

/** Returns the substitute for a base that could not be looked up, for outlines and checks. */
export function missingBase({ platform, replacement }: StageNode, { target }: CompileContext): ResolvedBase {
  return { ...onScratch(platform ?? target), isMissing: true, replacesStage: replacement !== undefined };
}

function parseBase(name: string): string {
  try {
    return formatReference(withDefaultTag(parseReference(name)));
  } catch (error) {
    throw fault(`failed to parse stage name ${goQuote(name)}: ${messageOf(error)}`, name);
  }
}

/** Looks up the base of a stage that is not built on another stage. Fetches only image configs. */
export async function resolveBase(node: StageNode, resolve: ResolveContext): Promise<ResolvedBase> {
  const { context } = resolve;
  const platform = node.platform ?? context.target;
  if (node.replacement !== undefined) return fromNamedContext(node.replacement, platform, true, resolve);
  if (node.baseName === "scratch") {
    const { target } = context;
    return onScratch(target);
  }
  const reference = parseBase(node.baseName);
  const named = findNamedContext(context, reference, platform);
  if (named !== undefined) return fromNamedContext(named, platform, false, resolve);
  return fromRegistry(node, reference, platform, resolve);
}
