import { VarveError, messageOf, parseGoBool } from "../../core/index.ts";
import { type Dockerfile, type LintOptions, didYouMean, parseLintOptions, suggestion } from "../../dockerfile/index.ts";
import type { BuildOptions } from "./options.ts";

/**
 * Build arguments that are options of BuildKit's, and what they do here: `option` is read by `argumentOptions`, `none` has
 * no effect (the built-in front end is always used, no history of builds and no SBOM is kept), `removed` is refused as
 * BuildKit refuses it.
 */
export const BUILDKIT_ARGUMENTS: Readonly<Record<string, "option" | "none" | "removed">> = {
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
  BUILDKIT_SYNTAX: "none",
};

/** What build arguments say that are options of BuildKit's. */
export interface ArgumentOptions {
  /** The git directory of a git context is kept. */
  readonly keepGitDir: boolean;
  /** Keeps the cache mounts of the build apart from others'. */
  readonly cacheNamespace?: string | undefined;
  /** The host name that steps see. */
  readonly hostname?: string | undefined;
  /** Replaces the Dockerfile's `check` directive. */
  readonly lint?: LintOptions | undefined;
  /** The result is an index, also of one platform. */
  readonly multiPlatform: boolean;
  /** The cache goes into the config of the image. */
  readonly inlineCache: boolean;
  /** SOURCE_DATE_EPOCH is set: the files of a git context have the time of their commit. */
  readonly commitTimes: boolean;
}

/** Reads them. Throws `invalid-argument` for one that BuildKit refuses. */
export function argumentOptions({ buildArgs = {}, platforms = [], sourceDateEpoch }: BuildOptions): ArgumentOptions {
  const given = new Map(Object.entries(buildArgs));
  const isTrue = (name: string): boolean => parseGoBool(given.get(name) ?? "") === true;
  if (isTrue("BUILDKIT_DISABLE_FILEOP"))
    throw refused('support for "BUILDKIT_DISABLE_FILEOP" build-arg was removed in BuildKit 0.11');
  const cacheNamespace = given.get("BUILDKIT_CACHE_MOUNT_NS") ?? "";
  const hostname = given.get("BUILDKIT_SANDBOX_HOSTNAME") ?? "";
  const check = given.get("BUILDKIT_DOCKERFILE_CHECK");
  const epoch = sourceDateEpoch ?? given.get("SOURCE_DATE_EPOCH") ?? "";
  return {
    keepGitDir: isTrue("BUILDKIT_CONTEXT_KEEP_GIT_DIR"),
    inlineCache: isTrue("BUILDKIT_INLINE_CACHE"),
    multiPlatform: multiPlatform(given.get("BUILDKIT_MULTI_PLATFORM") ?? "", platforms.length > 1),
    commitTimes: epoch !== "",
    ...(cacheNamespace === "" ? {} : { cacheNamespace }),
    ...(hostname === "" ? {} : { hostname }),
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

/** Warnings of build arguments that are called like options of BuildKit's, but are none, and that no ARG declares. */
export function unknownArguments({ buildArgs = {} }: BuildOptions, { globalArgs, stages }: Dockerfile): string[] {
  const instructions = [...globalArgs, ...stages.flatMap((stage) => stage.instructions)];
  const declared = new Set(
    instructions.flatMap((each) => (each.kind === "arg" ? each.args.map(({ key }) => key) : [])),
  );
  const known = Object.keys(BUILDKIT_ARGUMENTS);
  return Object.keys(buildArgs)
    .filter((name) => name.startsWith("BUILDKIT_") && !known.includes(name) && !declared.has(name))
    .map((name) => `Build argument ${name} is unknown and has no effect${didYouMean(suggestion(name, known))}`);
}
