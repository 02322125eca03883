import { formatReference, hostPlatform, parseReference, withDefaultTag } from "../../../../core/index.ts";
import { tracedHost } from "../../../../engine/index.ts";
import { type NamedContext, contextNamed } from "../../../../frontend/index.ts";
import { readImageConfig } from "../../../../image/index.ts";
import { type Edge, definitionOf, encodeDefinition, image, ociLayout } from "../../../../llb/index.ts";
import { attributeError } from "../../dockerfile/attributes.ts";
import { namedContextsOf } from "../../dockerfile/contexts.ts";
import { loadGraph } from "../../result/definition.ts";
import type { FrontendRequest } from "../request.ts";

/** A front end's image, before it is fetched. */
export interface FoundImage {
  readonly edge: Edge;
  /** The graph, serialised. */
  readonly definition: Uint8Array;
  readonly config: FrontendConfig;
}

/** What the image says of its front end. */
export interface FrontendConfig {
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly labels: ReadonlyMap<string, string>;
}

/** The command of an image without an entry point. */
const DEFAULT_ARGS = ["/run"];

/**
 * Looks up the image of a front end. A named context with the name of the image takes its place.
 *
 * @throws {VarveError} `invalid-argument` for what is no reference, and the errors of looking up an image.
 */
export async function findImage(source: string, request: FrontendRequest): Promise<FoundImage> {
  const found = await lookUp(source, request);
  const { edge } = await loadGraph(definitionOf(found.edge), request.build.loading);
  if (edge === undefined) throw attributeError("gateway source didn't return default result");
  return {
    edge,
    definition: encodeDefinition(definitionOf(edge)),
    config: found.config === undefined ? NO_CONFIG : configOf(found.config),
  };
}

const NO_CONFIG: FrontendConfig = { args: DEFAULT_ARGS, env: [], cwd: "/", labels: new Map() };

interface LookedUp {
  readonly edge: Edge | undefined;
  readonly config: Uint8Array | undefined;
}

async function lookUp(source: string, request: FrontendRequest): Promise<LookedUp> {
  const context = replacementOf(source, request);
  switch (context?.kind) {
    case undefined:
      return await imageOf({ reference: source }, request);
    case "image":
    case "oci-layout":
      return await imageOf({ reference: context.reference, isLayout: context.kind === "oci-layout" }, request);
    case "result":
      return { edge: context.edge, config: context.config };
    default:
      throw attributeError(`${source} cannot be a front end: its named context is not an image`);
  }
}

function replacementOf(source: string, { attributes, inputs }: FrontendRequest): NamedContext | undefined {
  return contextNamed(namedContextsOf(attributes, inputs), source, hostPlatform())?.context;
}

async function imageOf(
  { reference, isLayout = false }: { readonly reference: string; readonly isLayout?: boolean },
  { build, trace }: FrontendRequest,
): Promise<LookedUp> {
  const { session, client } = build;
  const name = isLayout ? reference : formatReference(withDefaultTag(parseReference(reference)));
  const [store = ""] = isLayout ? reference.split("@") : [];
  const resolved = await tracedHost(session.host, trace).resolveImage({
    reference: name,
    platform: hostPlatform(),
    mode: "default",
    name: `resolve image config for ${isLayout ? "oci-layout" : "docker-image"}://${reference}`,
    ...(isLayout ? { ociStore: store } : {}),
  });
  if (isLayout)
    return { edge: ociLayout(name, { sessionId: client.sessionId, storeId: store }).edge, config: resolved.config };
  const pinned = formatReference({ ...parseReference(resolved.reference ?? name), digest: resolved.digest });
  return { edge: image(pinned, { recordType: "frontend" }).edge, config: resolved.config };
}

function configOf(bytes: Uint8Array): FrontendConfig {
  const { config = {} } = readImageConfig(bytes);
  const { Entrypoint: entrypoint = [], Env: env = [], WorkingDir: cwd = "", Labels: labels = new Map() } = config;
  return {
    args: entrypoint.length === 0 ? DEFAULT_ARGS : entrypoint,
    env,
    cwd: cwd === "" ? "/" : cwd,
    labels,
  };
}
