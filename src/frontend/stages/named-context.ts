import {
  type Platform,
  familiarReference,
  formatReference,
  formatWholePlatform,
  isDigest,
  isVarveError,
  normalizePlatform,
  parseReference,
  splitEnv,
  withDefaultTag,
} from "../../core/index.ts";
import { fault, parseGitRef } from "../../dockerfile/index.ts";
import { State, http, image, internalName, local, ociLayout, scratch } from "../../llb/index.ts";
import type { CompileContext } from "../compile-context.ts";
import { gitState } from "../git-state.ts";
import { type ImageDraft, imagePlatform, parseImageConfig } from "../config/image-draft.ts";
import type { ImageLookup } from "./image-lookup.ts";
import type { CompileHost, NamedContext } from "../options.ts";

/** A named context and its title in progress. */
export interface NamedContextRef {
  readonly context: NamedContext;
  /** The name, with `::platform` if it is for one platform only. */
  readonly title: string;
  readonly platform: Platform;
}

/** What is needed to look up a context. */
export interface ContextLookup {
  readonly context: CompileContext;
  readonly host: CompileHost;
  readonly images: ImageLookup;
  readonly signal: AbortSignal | undefined;
}

/** A context that has been looked up. */
export interface LoadedContext {
  /** Returns the filesystem. A directory is limited to `paths`; undefined means all of it. */
  makeState(paths: readonly string[] | undefined): State;
  readonly image: ImageDraft | undefined;
}

/** Returns the name in the form that is compared: `docker.io/library/alpine:latest` becomes `alpine`. */
function normaliseName(name: string): string {
  try {
    return familiarReference(parseReference(name)).replace(/:latest$/, "");
  } catch {
    return name;
  }
}

function normaliseKey(key: string): string {
  const at = key.indexOf("::");
  return at < 0 ? normaliseName(key) : normaliseName(key.slice(0, at)) + key.slice(at);
}

/**
 * Returns the named context for a stage or an image. One for just this platform takes precedence. `scratch` and `context` cannot be
 * replaced.
 */
export function findNamedContext(
  { options, target }: CompileContext,
  name: string,
  platform: Platform = target,
): NamedContextRef | undefined {
  const { namedContexts } = options;
  if (namedContexts === undefined || namedContexts.size === 0) return undefined;
  if (name.toLowerCase() === "scratch" || name.toLowerCase() === "context") return undefined;
  const found = contextNamed(namedContexts, name, platform);
  return found && { ...found, platform };
}

/** Returns the named context with a name, and its title in progress. One for just this platform takes precedence. */
export function contextNamed<T>(
  contexts: ReadonlyMap<string, T>,
  name: string,
  platform: Platform,
): { readonly title: string; readonly context: T } | undefined {
  const plain = normaliseName(name);
  const byName = new Map(Array.from(contexts, ([key, context]) => [normaliseKey(key), context]));
  for (const title of [`${plain}::${formatWholePlatform(normalizePlatform(platform))}`, plain]) {
    const context = byName.get(title);
    if (context !== undefined) return { context, title };
  }
  return undefined;
}

/** Returns the state with an image config's environment, working directory and platform. */
function withImageConfig(state: State, config: ImageDraft): State {
  const entries = (config.config.Env ?? []).map(splitEnv).filter(([key]) => key !== "");
  let result = state.addEnvs(entries);
  result = result.cd(config.config.WorkingDir ?? "");
  const platform = imagePlatform(config);
  return platform === undefined ? result : result.with({ platform });
}

function fixed(state: State, config?: ImageDraft): LoadedContext {
  return { image: config, makeState: () => (config === undefined ? state : withImageConfig(state, config)) };
}

async function loadImage(
  { title, platform }: NamedContextRef,
  reference: string,
  { context: { options }, images }: ContextLookup,
): Promise<LoadedContext> {
  if (reference === "scratch") return fixed(scratch());
  const named = withDefaultTag(parseReference(reference));
  const mode = options.resolveMode ?? "default";
  const resolved = await images.resolve({
    reference: formatReference(named),
    platform,
    mode,
    name: `[context ${title}] load metadata for ${reference}`,
  });
  const pinned = { ...parseReference(resolved.reference ?? formatReference(named)), digest: resolved.digest };
  const state = image(formatReference(pinned), {
    name: `[context ${title}] ${reference}`,
    platform,
    resolveMode: mode,
  });
  const { created: _created, ...config } = parseImageConfig(resolved.config, reference);
  return fixed(state, config);
}

async function loadOciLayout(
  { title, platform }: NamedContextRef,
  reference: string,
  { context: { options }, images }: ContextLookup,
): Promise<LoadedContext> {
  const at = reference.lastIndexOf("@");
  const digest = reference.slice(at + 1);
  const ociStore = reference.slice(0, at);
  if (at < 0 || !isDigest(digest)) throw fault(`oci-layout reference "${reference}" has no digest`);
  const name = formatReference({ ...parseReference(title.replace(/::.*$/, "")), digest });
  const resolved = await images.resolve({
    reference: name,
    platform,
    mode: "default",
    name: `[context ${title}] load metadata for ${name}`,
    ociStore,
  });
  const state = ociLayout(name, {
    name: `[context ${title}] OCI load from client`,
    storeId: ociStore,
    platform,
    sessionId: options.sessionId,
  });
  return fixed(state, parseImageConfig(resolved.config, name));
}

async function loadLocal(
  { title }: NamedContextRef,
  name: string,
  { context: { options }, host, signal }: ContextLookup,
): Promise<LoadedContext> {
  const excludePatterns = (await host.ignorePatterns?.(name, signal)) ?? [];
  const makeState = (followPaths: readonly string[] | undefined): State =>
    local(name, {
      name: `[context ${title}] load from client`,
      sharedKeyHint: `context:${title}-`,
      excludePatterns,
      followPaths,
      sessionId: options.sessionId,
    });
  return { image: undefined, makeState };
}

function loadGit(url: string): LoadedContext {
  const ref = parseGitRef(url);
  if (ref === undefined) throw fault(`invalid git context ${url}`);
  return fixed(gitState(ref, internalName(`load git source ${url}`)));
}

/**
 * Loads an image. If a policy replaces it by what is no image, for example `local://name`, loads that. Such an error of the host has
 * the detail `replacement`.
 */
async function loadImageOrReplacement(
  ref: NamedContextRef,
  reference: string,
  lookup: ContextLookup,
): Promise<LoadedContext> {
  try {
    return await loadImage(ref, reference, lookup);
  } catch (error) {
    const replacement = isVarveError(error, "unsupported") ? error.details.replacement : undefined;
    if (replacement === undefined) throw error;
    return await loadNamedContext(
      { ...ref, context: parseNamedContext(replacement.replace(/^local:\/\//, "local:")) },
      lookup,
    );
  }
}

/** Looks up a context: an image's config, or a directory's ignore file. Does not fetch any files. */
export async function loadNamedContext(ref: NamedContextRef, lookup: ContextLookup): Promise<LoadedContext> {
  const named = ref.context;
  switch (named.kind) {
    case "image":
      return loadImageOrReplacement(ref, named.reference, lookup);
    case "oci-layout":
      return loadOciLayout(ref, named.reference, lookup);
    case "local":
      return loadLocal(ref, named.name, lookup);
    case "git":
      return loadGit(named.url);
    case "http":
      return fixed(http(named.url, { filename: "context", name: `[context ${ref.title}] ${named.url}` }));
    case "result": {
      const config = named.config === undefined ? undefined : parseImageConfig(named.config, ref.title);
      return fixed(new State(named.edge), config);
    }
  }
}

/**
 * Parses a named context as given on a command line: `docker-image://…`, `oci-layout://…`, a git or HTTP URL, or `local:<name>`.
 *
 * @throws {VarveError} `invalid-build` for anything else.
 * @example
 * parseNamedContext("docker-image://alpine:3"); // { kind: "image", reference: "alpine:3" }
 */
export function parseNamedContext(text: string): NamedContext {
  const [, scheme = "", rest = ""] = /^([a-z-]+):(.*)$/s.exec(text) ?? [];
  if (scheme === "docker-image") return { kind: "image", reference: rest.replace(/^\/\//, "") };
  if (scheme === "oci-layout") return { kind: "oci-layout", reference: rest.replace(/^\/\//, "") };
  if (scheme === "local") return { kind: "local", name: rest };
  if (parseGitRef(text) !== undefined) return { kind: "git", url: text };
  if (scheme === "http" || scheme === "https") return { kind: "http", url: text };
  throw fault(`unsupported context source ${scheme === "" ? text : scheme}`);
}
