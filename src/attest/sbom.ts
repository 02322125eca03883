import { VarveError, goQuote, parseReference, withDefaultTag, formatReference, type Platform } from "../core/index.ts";
import { readImageConfig } from "../image/index.ts";
import { type Edge, type Filesystem, image, scratch } from "../llb/index.ts";

/** The predicate type of SPDX documents. */
export const SPDX_TYPE = "https://spdx.dev/Document";
/** The name, without extension, of the SBOM of the result itself. Those of other filesystems are named `sbom-NAME`. */
export const SBOM_NAME = "sbom";

const DEFAULT_GENERATOR = "docker/buildkit-syft-scanner:stable-1";
const SOURCES = "/run/src";
const DESTINATION = "/run/out/";

/** How SBOMs are made. */
export interface SbomParameters {
  /** The image that scans filesystems, normalised. */
  readonly generator: string;
  /** Whether the request names the generator. */
  readonly isNamed: boolean;
  /** Passed to the generator as variables `BUILDKIT_SCAN_NAME`. */
  readonly variables: ReadonlyMap<string, string>;
}

/**
 * Reads the parameters of SBOMs.
 *
 * @throws {VarveError} `invalid-argument` with BuildKit's text for a generator that is empty or no image reference.
 */
export function sbomParameters(fields: ReadonlyMap<string, string>): SbomParameters {
  const { generator: given, ...variables } = Object.fromEntries(fields);
  if (given === "") throw new VarveError("invalid-argument", "sbom generator cannot be empty");
  return {
    generator: referenceOf(given ?? DEFAULT_GENERATOR),
    isNamed: given !== undefined,
    variables: new Map(Object.entries(variables)),
  };
}

function referenceOf(text: string): string {
  try {
    return formatReference(withDefaultTag(parseReference(text)));
  } catch (error) {
    throw new VarveError("invalid-argument", `failed to parse sbom generator ${goQuote(text)}`, { cause: error });
  }
}

/** A generator whose config is known. */
export interface Scanner {
  readonly parameters: SbomParameters;
  /** The config of the generator's image as JSON. */
  readonly config: Uint8Array;
  /** The platform that the generator runs on. */
  readonly platform: Platform;
}

/** What a generator scans. */
export interface ScanRequest {
  /** The id of the result's platform. It is shown in progress. */
  readonly id: string;
  readonly core: Filesystem;
  readonly extras: ReadonlyMap<string, Filesystem>;
  readonly ignoreCache: boolean;
}

/**
 * Returns the step that runs a generator. Its result is a directory of statements.
 *
 * @throws {VarveError} `invalid-argument` with BuildKit's text if the image has no command; `corrupt` for a malformed config.
 */
export function scanStep({ parameters, config, platform }: Scanner, request: ScanRequest): Edge {
  const { generator } = parameters;
  const { config: own = {} } = readImageConfig(config);
  const args = [...(own.Entrypoint ?? []), ...(own.Cmd ?? [])];
  if (args.length === 0) throw new VarveError("invalid-argument", `scanner ${generator} does not have cmd`);
  const { id, core, extras, ignoreCache } = request;
  const step = image(generator, { platform }).run({
    name: `[${id}] generating sbom using ${generator}`,
    args,
    cwd: own.WorkingDir,
    env: environment(own.Env ?? [], parameters, extras.size > 0),
    ignoreCache,
    mounts: [
      { type: "tmpfs", target: "/tmp" },
      { type: "bind", target: `${SOURCES}/core/${SBOM_NAME}`, source: core, readonly: true },
      ...Array.from(extras, ([name, source]) => {
        return { type: "bind", target: `${SOURCES}/extras/${SBOM_NAME}-${name}`, source, readonly: true } as const;
      }),
      { type: "bind", target: DESTINATION, source: scratch() },
    ],
  });
  const { edge } = step.mount(DESTINATION);
  if (edge === undefined) throw new VarveError("internal", "Cannot run an SBOM generator: its output is not kept");
  return edge;
}

function environment(
  own: readonly string[],
  { variables }: SbomParameters,
  hasExtras: boolean,
): ReadonlyMap<string, string> {
  const env = new Map<string, string>();
  const set = (name: string, value: string): void => {
    env.delete(name);
    env.set(name, value);
  };
  for (const entry of own) {
    const at = entry.indexOf("=");
    if (at >= 0) set(entry.slice(0, at), entry.slice(at + 1));
    else set(entry, "");
  }
  set("BUILDKIT_SCAN_DESTINATION", DESTINATION);
  set("BUILDKIT_SCAN_SOURCE", `${SOURCES}/core/${SBOM_NAME}`);
  if (hasExtras) set("BUILDKIT_SCAN_SOURCE_EXTRAS", `${SOURCES}/extras`);
  for (const [name, value] of variables) set(`BUILDKIT_SCAN_${name}`, value);
  return env;
}
