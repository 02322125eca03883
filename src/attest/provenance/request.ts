import { type OrderedJson, sortKeys } from "../../core/index.ts";
import { type GitRef, parseGitRef } from "../../dockerfile/index.ts";
import { redactCredentials } from "../redact.ts";
import type { Capture } from "./capture.ts";
import { type Resource, commitDigest, digestSet } from "./resources.ts";

/** A request to build something: what a client sent, or a front end to another one. */
export interface BuildRequest {
  /** The name of a front end, such as `dockerfile.v0`. Empty for a client that makes its graph itself. */
  readonly frontend: string;
  readonly options: ReadonlyMap<string, string>;
  /** Graphs that were passed by name, and are themselves results of other requests. */
  readonly inputs?: ReadonlyMap<string, RequestRecord> | undefined;
}

/** A request as provenance records it. */
export interface RequestRecord {
  readonly configSource: ConfigSource;
  readonly frontend: string;
  readonly args: ReadonlyMap<string, string>;
  readonly inputs: ReadonlyMap<string, RequestRecord>;
}

/** Where the Dockerfile is. */
export interface ConfigSource {
  readonly uri?: string | undefined;
  readonly digest?: Resource["digest"] | undefined;
  readonly path?: string | undefined;
}

const CONTEXT = "context";
/** Options that say how and where a build runs, and not what it makes. */
const HOST_OPTIONS: ReadonlySet<string> = new Set(["cgroup-parent", "image-resolve-mode", "platform", "cache-imports"]);
const VCS = "vcs:";

/** Returns the record of a request. The context's commit or digest is looked up among the materials. No value holds credentials. */
export function recordRequest(
  { frontend, options, inputs = new Map() }: BuildRequest,
  capture: Capture,
): RequestRecord {
  const args = recordedOptions(options);
  const key = args.get("contextkey") || ((args.get("input:context") ?? "") === "" ? CONTEXT : "input:context");
  const context = args.get(key) ?? "";
  if (context !== "") args.delete(key);
  const path = args.get("filename") ?? "";
  if (path !== "") args.delete("filename");
  return {
    configSource: { ...(context === "" ? {} : sourceOf(context, capture)), path: path === "" ? undefined : path },
    frontend,
    args,
    inputs,
  };
}

function recordedOptions(options: ReadonlyMap<string, string>): Map<string, string> {
  const contextKey = options.get("contextkey") || CONTEXT;
  const kept = [...options].filter(([key]) => !HOST_OPTIONS.has(key) && !key.startsWith("attest:"));
  return new Map(
    kept.map(([key, value]) => {
      const isUrl =
        key === contextKey || key.startsWith(`${CONTEXT}:`) || key.startsWith("input:") || key === `${VCS}source`;
      return [key, isUrl ? redactCredentials(value) : value];
    }),
  );
}

function sourceOf(url: string, capture: Capture): Pick<ConfigSource, "uri" | "digest"> {
  const { material, config } = gitUrls(url) ?? { material: url, config: url };
  const repository = capture.of("git").find((each) => each.url === material);
  if (repository !== undefined) return { uri: config, digest: commitDigest(repository.commit) };
  const download = capture.of("http").find((each) => each.url === material);
  return download === undefined ? { uri: url } : { uri: url, digest: digestSet(download.digest) };
}

/** Returns the URL of a git context as materials have it, and with its folder. */
function gitUrls(url: string): { readonly material: string; readonly config: string } | undefined {
  const ref = gitRef(url.startsWith("github.com/") ? `https://${url}` : url);
  if (ref === undefined) return undefined;
  const folder = ref.subdir.replace(/^\/+/, "");
  const fragment = ref.ref === "" && folder === "" ? "" : `#${ref.ref}${folder === "" ? "" : `:${folder}`}`;
  return { material: ref.remote + (ref.ref === "" ? "" : `#${ref.ref}`), config: ref.remote + fragment };
}

function gitRef(url: string): GitRef | undefined {
  try {
    return parseGitRef(url);
  } catch {
    // The option may belong to a front end to which it is no URL.
    return undefined;
  }
}

/** Returns what a request says of the version control of its context, by the names without `vcs:`. */
export function vcsOf({ args }: RequestRecord): Record<string, string> {
  const found = [...args].filter(([key, value]) => key.startsWith(VCS) && value !== "");
  return Object.fromEntries(found.map(([key, value]) => [key.slice(VCS.length), value]));
}

export function withoutVcs(record: RequestRecord): RequestRecord {
  return { ...record, args: new Map([...record.args].filter(([key]) => !key.startsWith(VCS))) };
}

/** Removes build arguments and labels. `isWhole` is false if there were any. */
export function scrubbed(record: RequestRecord): { readonly record: RequestRecord; readonly isWhole: boolean } {
  const args = new Map([...record.args].filter(([key]) => !/^(?:build-arg|label):/.test(key)));
  const inputs = Array.from(record.inputs, ([name, input]) => [name, scrubbed(input)] as const);
  return {
    record: { ...record, args, inputs: new Map(inputs.map(([name, input]) => [name, input.record])) },
    isWhole: args.size === record.args.size && inputs.every(([, input]) => input.isWhole),
  };
}

/** True if two records say the same. */
export function isSameRequest(a: RequestRecord, b: RequestRecord): boolean {
  const text = (record: RequestRecord): string => JSON.stringify(plain(record));
  return text(a) === text(b);
}

function plain({ configSource, frontend, args, inputs }: RequestRecord): unknown {
  const { uri, digest, path } = configSource;
  const sorted = <T>(map: ReadonlyMap<string, T>): [string, T][] =>
    [...map].sort(([a], [b]) => (a < b ? -1 : Number(a > b)));
  return [uri, digest, path, frontend, sorted(args), sorted(inputs).map(([name, input]) => [name, plain(input)])];
}

/** `{configSource, request}` as it stands for inputs and for the client's own request. */
function requestJson(record: RequestRecord): OrderedJson {
  return { configSource: configSourceJson(record.configSource, "path"), request: new Map(parameterFields(record, {})) };
}

export function configSourceJson({ uri, digest, path }: ConfigSource, pathKey: "path" | "entryPoint"): OrderedJson {
  return { uri, digest, [pathKey]: path };
}

/** Returns the fields of `request`, in BuildKit's order. Empty ones are left out. */
export function parameterFields(
  { frontend, args, inputs }: RequestRecord,
  more: { readonly used?: readonly (readonly [string, OrderedJson])[]; readonly root?: RequestRecord | undefined },
): [string, OrderedJson][] {
  const nested = Object.fromEntries(inputs);
  const fields: [string, OrderedJson][] = [
    ["frontend", frontend === "" ? undefined : frontend],
    ["args", args.size === 0 ? undefined : sortKeys(Object.fromEntries(args))],
    ...(more.used ?? []).map(([key, value]): [string, OrderedJson] => [key, value]),
    ["inputs", inputs.size === 0 ? undefined : sorted(nested)],
    ["root", more.root === undefined ? undefined : requestJson(more.root)],
  ];
  return fields.filter(([, value]) => value !== undefined);
}

function sorted(inputs: Readonly<Record<string, RequestRecord>>): OrderedJson {
  const names = Object.keys(inputs).toSorted();
  return new Map(
    names.flatMap((name) => {
      const input = inputs[name];
      return input === undefined ? [] : [[name, requestJson(input)] as const];
    }),
  );
}
