import { resolve } from "node:path";
import type { BuildContext, BuildOptions, CacheSpec, OutputSpec, SecretSource, SshSource } from "./options.ts";

/** The attributes of local caches that are paths. */
const CACHE_PATHS = ["src", "dest"];

/**
 * Resolves the relative paths of build options against the current working directory, so that the build does not depend on later
 * changes of the directory. Named contexts are resolved by `namedContexts`.
 */
export function absolutePaths<T extends BuildOptions>(options: T): T {
  return {
    ...options,
    context: contextOf(options.context),
    ...(options.dockerfile?.kind === "file"
      ? { dockerfile: { ...options.dockerfile, path: resolve(options.dockerfile.path) } }
      : {}),
    ...(options.secrets === undefined ? {} : { secrets: options.secrets.map(secretOf) }),
    ...(options.ssh === undefined ? {} : { ssh: options.ssh.map(agentOf) }),
    ...(options.outputs === undefined ? {} : { outputs: options.outputs.map(outputOf) }),
    ...(options.cacheFrom === undefined ? {} : { cacheFrom: options.cacheFrom.map(cacheOf) }),
    ...(options.cacheTo === undefined ? {} : { cacheTo: options.cacheTo.map(cacheOf) }),
  };
}

function contextOf(context: BuildContext): BuildContext {
  return context.kind === "directory" ? { ...context, path: resolve(context.path) } : context;
}

function secretOf(secret: SecretSource): SecretSource {
  return "file" in secret.source ? { ...secret, source: { file: resolve(secret.source.file) } } : secret;
}

function agentOf({ id, paths }: SshSource): SshSource {
  return { id, paths: paths.map((path) => resolve(path)) };
}

/** Does not resolve `-`, which is standard output, nor an empty path, which exporters handle. */
function outputOf(output: OutputSpec): OutputSpec {
  const { dest } = output;
  return dest === undefined || dest === "-" || dest === "" ? output : { ...output, dest: resolve(dest) };
}

function cacheOf(spec: CacheSpec): CacheSpec {
  if (spec.type !== "local") return spec;
  const paths = CACHE_PATHS.flatMap((key) => {
    const path = spec.attrs[key];
    return path === undefined || path === "" ? [] : [[key, resolve(path)] as const];
  });
  return { ...spec, attrs: { ...spec.attrs, ...Object.fromEntries(paths) } };
}
