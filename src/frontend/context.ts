import { hostPlatform, normalizePlatform, type Platform } from "../core/index.ts";
import type { Dockerfile, Linter } from "../dockerfile/index.ts";
import type { ProxyEnv } from "../llb/index.ts";
import { builtInArgs, type GlobalArgs, globalArgs, proxyEnv } from "./arguments.ts";
import type { CompileOptions } from "./options.ts";

/** What stays the same while one platform of a Dockerfile is compiled. */
export interface CompileContext {
  readonly file: Dockerfile;
  readonly options: CompileOptions;
  readonly build: Platform;
  readonly target: Platform;
  /** No target platform was asked for: the base image decides. */
  readonly implicitTarget: boolean;
  readonly buildArgs: ReadonlyMap<string, string>;
  readonly globals: GlobalArgs;
  readonly proxyEnv: ProxyEnv | undefined;
  /** Seconds since 1970. */
  readonly epoch: number | undefined;
  readonly linter: Linter;
}

/** The name TARGETSTAGE has: the target's as given, or the last stage's. */
function targetStage(file: Dockerfile, { target }: CompileOptions): string {
  return target === undefined || target === "" ? (file.stages.at(-1)?.name ?? "") : target;
}

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

/** The platform formatted as part of names: only when several are built. */
export function platformPrefix({ options }: CompileContext, text: string): string {
  return options.multiPlatform === true ? `${text} ` : "";
}
