import { formatPlatform, formatWholePlatform, type Platform } from "../core/index.ts";
import { type ArgDefinition, type Dockerfile, expand, located, type SourceRange } from "../dockerfile/index.ts";
import type { ProxyEnv } from "../llb/index.ts";

/** An ARG as outlines show it. */
export interface ArgInfo {
  readonly definition: ArgDefinition;
  readonly value: string | undefined;
  readonly range: SourceRange;
  /** The variables that its default value contains. */
  readonly uses: ReadonlySet<string>;
}

/** The arguments before the first FROM. */
export interface GlobalArgs {
  readonly values: ReadonlyMap<string, string>;
  readonly infos: ReadonlyMap<string, ArgInfo>;
}

/** The platforms of a build: where commands run, and what the image is for. */
export interface Platforms {
  readonly build: Platform;
  readonly target: Platform;
}

/** Returns the arguments that FROM lines can use without declaring them. A build argument of the same name replaces one. */
export function builtInArgs(
  { build, target }: Platforms,
  stage: string,
  buildArgs: ReadonlyMap<string, string>,
): Map<string, string> {
  const values: Record<string, string> = {
    BUILDPLATFORM: formatPlatform(build),
    BUILDOS: build.os,
    BUILDOSVERSION: build.osVersion ?? "",
    BUILDARCH: build.architecture,
    BUILDVARIANT: build.variant ?? "",
    TARGETPLATFORM: formatWholePlatform(target),
    TARGETOS: target.os,
    TARGETOSVERSION: target.osVersion ?? "",
    TARGETARCH: target.architecture,
    TARGETVARIANT: target.variant ?? "",
    TARGETSTAGE: stage === "" ? "default" : stage,
  };
  return new Map(Object.entries(values).map(([key, value]) => [key, buildArgs.get(key) ?? value]));
}

/**
 * Returns the arguments that FROM lines can use: the built-in ones and the ARGs before the first FROM. Each ARG's default can
 * use the arguments before it.
 */
export function globalArgs(
  file: Dockerfile,
  builtIn: ReadonlyMap<string, string>,
  buildArgs: ReadonlyMap<string, string>,
): GlobalArgs {
  const values = new Map(builtIn);
  const infos = new Map<string, ArgInfo>();
  for (const instruction of file.globalArgs) {
    for (const definition of instruction.args) {
      const buildArg = buildArgs.get(definition.key);
      const fallback =
        buildArg === undefined && definition.value !== undefined
          ? located(file.source, instruction.range, "", () => expand(definition.value ?? "", values, file))
          : undefined;
      const value = buildArg ?? fallback?.text;
      if (value !== undefined) values.set(definition.key, value);
      const uses = new Set(fallback?.matched);
      if (uses.delete(definition.key)) for (const use of infos.get(definition.key)?.uses ?? []) uses.add(use);
      infos.set(definition.key, { definition, value, range: instruction.range, uses });
    }
  }
  return { values, infos };
}

/** Returns the proxy settings among the build arguments, in upper or lower case. They are not part of cache keys. */
export function proxyEnv(buildArgs: ReadonlyMap<string, string>): ProxyEnv | undefined {
  const byName = new Map<string, string>();
  for (const key of [...buildArgs.keys()].sort()) byName.set(key.toLowerCase(), buildArgs.get(key) ?? "");
  const names = ["http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy"] as const;
  if (!names.some((name) => byName.has(name))) return undefined;
  const [httpProxy = "", httpsProxy = "", ftpProxy = "", noProxy = "", allProxy = ""] = names.map((name) =>
    byName.get(name),
  );
  return { httpProxy, httpsProxy, ftpProxy, noProxy, allProxy };
}
