import { resolve } from "node:path";
import { keyPlaceOf } from "../../core/index.ts";
import { isRemote } from "../context/contexts.ts";
import type { BuildContext, BuildSettings, CacheSpec, OutputSpec, SecretSource, SshSource } from "./options.ts";

/** The attributes of local caches that are paths. */
const CACHE_PATHS = ["src", "dest"];
/** The attributes of caches that may be paths of keys. */
const KEYS = ["sign", "verify"];

/** Resolves the relative paths of build options against a directory, so that the build does not depend on the working directory. */
export function absolutePaths<T extends BuildSettings>(options: T, cwd: string = process.cwd()): T {
  const { dockerfile, buildContexts, secrets, ssh, outputs, cacheFrom, cacheTo } = options;
  const at = (path: string): string => resolve(cwd, path);
  return {
    ...options,
    context: contextOf(options.context, at),
    ...(dockerfile?.kind === "file" ? { dockerfile: { ...dockerfile, path: at(dockerfile.path) } } : {}),
    ...(buildContexts === undefined ? {} : { buildContexts: namedContextsOf(buildContexts, at) }),
    ...(secrets === undefined ? {} : { secrets: secrets.map((secret) => secretOf(secret, at)) }),
    ...(ssh === undefined ? {} : { ssh: ssh.map(({ id, paths }): SshSource => ({ id, paths: paths.map(at) })) }),
    ...(outputs === undefined ? {} : { outputs: outputs.map((output) => outputOf(output, at)) }),
    ...(cacheFrom === undefined ? {} : { cacheFrom: cacheFrom.map((spec) => cacheOf(spec, at)) }),
    ...(cacheTo === undefined ? {} : { cacheTo: cacheTo.map((spec) => cacheOf(spec, at)) }),
  };
}

type Resolve = (path: string) => string;

function contextOf(context: BuildContext, at: Resolve): BuildContext {
  return context.kind === "directory" ? { ...context, path: at(context.path) } : context;
}

function namedContextsOf(contexts: Readonly<Record<string, string>>, at: Resolve): Record<string, string> {
  return Object.fromEntries(Object.entries(contexts).map(([name, source]) => [name, namedContextOf(source, at)]));
}

/** Resolves a directory or `oci-layout://PATH…`. Other contexts are not paths. */
function namedContextOf(source: string, at: Resolve): string {
  const [, layout] = /^oci-layout:(?:\/\/)?(.*)$/s.exec(source) ?? [];
  if (layout !== undefined) return `oci-layout://${at(layout)}`;
  return source === "" || /^(?:docker-image|target):/.test(source) || isRemote(source) ? source : at(source);
}

function secretOf(secret: SecretSource, at: Resolve): SecretSource {
  return "file" in secret.source ? { ...secret, source: { file: at(secret.source.file) } } : secret;
}

/** Does not resolve `-`, which is standard output, nor an empty path, which exporters handle. */
function outputOf(output: OutputSpec, at: Resolve): OutputSpec {
  const { dest } = output;
  return dest === undefined || dest === "-" || dest === "" ? output : { ...output, dest: at(dest) };
}

function cacheOf(spec: CacheSpec, at: Resolve): CacheSpec {
  const { type, attrs } = spec;
  const keys = KEYS.filter((key) => (attrs[key] ?? "") !== "" && keyPlaceOf(attrs[key] ?? "").kind === "file");
  const paths = type === "local" ? CACHE_PATHS.filter((key) => (attrs[key] ?? "") !== "") : [];
  const resolved = [...keys, ...paths].map((key) => [key, at(attrs[key] ?? "")] as const);
  return resolved.length === 0 ? spec : { ...spec, attrs: { ...attrs, ...Object.fromEntries(resolved) } };
}
