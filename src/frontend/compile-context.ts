import { hostPlatform, normalizePlatform, type Platform } from "../core/index.ts";
import type { Dockerfile, Linter } from "../dockerfile/index.ts";
import type { ProxyEnv } from "../llb/index.ts";
import { builtInArgs, type GlobalArgs, globalArgs, proxyEnv } from "./arguments.ts";
import type { CompileOptions } from "./options.ts";

/** What is constant while one platform of a Dockerfile is compiled. */
export interface CompileContext {
  readonly file: Dockerfile;
  readonly options: CompileOptions;
  readonly build: Platform;
  readonly target: Platform;
  /** True if no target platform was requested: the base image then determines it. */
  readonly implicitTarget: boolean;
  readonly buildArgs: ReadonlyMap<string, string>;
  readonly globals: GlobalArgs;
  readonly proxyEnv: ProxyEnv | undefined;
  /** SOURCE_DATE_EPOCH, in seconds since 1970. */
  readonly epoch: number | undefined;
  readonly linter: Linter;
}

/** Returns the value of TARGETSTAGE: the requested target, or the last stage's name. */
function targetStage(file: Dockerfile, { target }: CompileOptions): string {
  return target === undefined || target === "" ? (file.stages.at(-1)?.name ?? "") : target;
}

/** Returns the context of a compilation, whose epoch is not resolved yet. */
export function compileContext(file: Dockerfile, options: CompileOptions, linter: Linter): CompileContext {
  const target = options.targetPlatform === undefined ? undefined : normalizePlatform(options.targetPlatform);
  const build = normalizePlatform(options.buildPlatform ?? hostPlatform());
  const buildArgs = options.buildArgs ?? new Map<string, string>();
  const platforms = { build, target: target ?? build };
  const globals = globalArgs(file, builtInArgs(platforms, targetStage(file, options), buildArgs), buildArgs);
  return {
    file,
    options,
    ...platforms,
    implicitTarget: target === undefined,
    buildArgs,
    globals,
    proxyEnv: proxyEnv(buildArgs),
    epoch: undefined,
    linter,
  };
}

/** Returns a platform as a prefix of progress names. Empty unless several platforms are built. */
export function platformPrefix({ options }: CompileContext, text: string): string {
  return options.multiPlatform === true ? `${text} ` : "";
}
