import { VarveError, messageOf, parseGoBool } from "../../core/index.ts";
import { type Dockerfile, type LintOptions, didYouMean, parseLintOptions, suggestion } from "../../dockerfile/index.ts";
import type { BuildSettings } from "./options.ts";

/**
 * The build arguments that are options of BuildKit, with their support: `argumentOptions` reads an `option`; `none` has no
 * effect here (the front end reads those for SBOMs itself); `removed` is rejected, as by BuildKit.
 */
export const BUILDKIT_ARGUMENTS: Readonly<Record<string, "option" | "none" | "removed">> = {
  BUILDKIT_ATTEST_PROVENANCE: "option",
  BUILDKIT_ATTEST_SBOM: "option",
  BUILDKIT_BUILD_NAME: "none",
  BUILDKIT_CACHE_MOUNT_NS: "option",
  BUILDKIT_CONTEXT_KEEP_GIT_DIR: "option",
  BUILDKIT_DISABLE_FILEOP: "removed",
  BUILDKIT_DOCKERFILE_CHECK: "option",
  BUILDKIT_INLINE_CACHE: "option",
  BUILDKIT_MULTI_PLATFORM: "option",
  BUILDKIT_SANDBOX_HOSTNAME: "option",
  BUILDKIT_SBOM_SCAN_CONTEXT: "none",
  BUILDKIT_SBOM_SCAN_STAGE: "none",
  BUILDKIT_SYNTAX: "option",
};

/** Options that are given as build arguments. */
export interface ArgumentOptions {
  /** Keep the `.git` directory of a git context. */
  readonly keepGitDir: boolean;
  /** Namespace of the build's cache mounts. */
  readonly cacheNamespace?: string | undefined;
  /** Host name of steps. */
  readonly hostname?: string | undefined;
  /** Replaces the Dockerfile's `check` directive. */
  readonly lint?: LintOptions | undefined;
  /** The result is an index, even for one platform. */
  readonly multiPlatform: boolean;
  /** Arguments ask for attestations. `attestationRequests` reads them. */
  readonly attests?: boolean | undefined;
  /** Embed the cache in the config of the image. */
  readonly inlineCache: boolean;
  /** The front end to use, and words for it: replaces the Dockerfile's `syntax` directive. */
  readonly syntax?: string | undefined;
  /** The files of a git context have the time of the commit. True if SOURCE_DATE_EPOCH is set. */
  readonly commitTimes: boolean;
}

/**
 * Reads the options that are given as build arguments.
 *
 * @throws {VarveError} `invalid-argument` for a value that BuildKit rejects.
 */
export function argumentOptions({
  buildArgs = {},
  platforms = [],
  sourceDateEpoch,
}: Pick<BuildSettings, "buildArgs" | "platforms" | "sourceDateEpoch">): ArgumentOptions {
  const given = new Map(Object.entries(buildArgs));
  const isTrue = (name: string): boolean => parseGoBool(given.get(name) ?? "") === true;
  if (isTrue("BUILDKIT_DISABLE_FILEOP"))
    throw refused('support for "BUILDKIT_DISABLE_FILEOP" build-arg was removed in BuildKit 0.11');
  const cacheNamespace = given.get("BUILDKIT_CACHE_MOUNT_NS") ?? "";
  const hostname = given.get("BUILDKIT_SANDBOX_HOSTNAME") ?? "";
  const check = given.get("BUILDKIT_DOCKERFILE_CHECK");
  const syntax = (given.get("BUILDKIT_SYNTAX") ?? "").trim();
  const epoch = sourceDateEpoch ?? given.get("SOURCE_DATE_EPOCH") ?? "";
  return {
    keepGitDir: isTrue("BUILDKIT_CONTEXT_KEEP_GIT_DIR"),
    inlineCache: isTrue("BUILDKIT_INLINE_CACHE"),
    multiPlatform: multiPlatform(given.get("BUILDKIT_MULTI_PLATFORM") ?? "", platforms.length > 1),
    commitTimes: epoch !== "",
    ...(Object.keys(buildArgs).some((name) => name.startsWith("BUILDKIT_ATTEST_")) ? { attests: true } : {}),
    ...(cacheNamespace === "" ? {} : { cacheNamespace }),
    ...(hostname === "" ? {} : { hostname }),
    ...(syntax === "" ? {} : { syntax }),
    ...(check === undefined ? {} : { lint: readCheck(check) }),
  };
}

function refused(why: string): VarveError {
  return new VarveError("invalid-argument", `Cannot build: ${why}`);
}

function multiPlatform(text: string, hasMany: boolean): boolean {
  if (text === "") return hasMany;
  const wanted = parseGoBool(text);
  if (wanted === undefined) throw refused(`invalid boolean value for multi-platform: ${text}`);
  if (!wanted && hasMany) throw refused("conflicting config: returning multiple target platforms is not allowed");
  return wanted;
}

function readCheck(text: string): LintOptions {
  try {
    return parseLintOptions(text);
  } catch (error) {
    throw refused(`failed to parse BUILDKIT_DOCKERFILE_CHECK: ${messageOf(error)}`);
  }
}

/** Returns warnings for arguments whose names begin with `BUILDKIT_`, but that are neither known nor declared by an `ARG`. */
export function unknownArguments(
  { buildArgs = {} }: Pick<BuildSettings, "buildArgs">,
  { globalArgs, stages }: Dockerfile,
): string[] {
  const instructions = [...globalArgs, ...stages.flatMap((stage) => stage.instructions)];
  const declared = new Set(
    instructions.flatMap((each) => (each.kind === "arg" ? each.args.map(({ key }) => key) : [])),
  );
  const known = Object.keys(BUILDKIT_ARGUMENTS);
  return Object.keys(buildArgs)
    .filter((name) => name.startsWith("BUILDKIT_") && !known.includes(name) && !declared.has(name))
    .map((name) => `Build argument ${name} is unknown and has no effect${didYouMean(suggestion(name, known))}`);
}
