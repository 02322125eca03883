import { GrpcCode, GrpcError } from "../../../grpc/index.ts";
import type { CacheSpec } from "../../../engine/index.ts";
import { checkRef } from "../../../history/index.ts";
import type { Attributes } from "../dockerfile/attributes.ts";
import { cacheSpecOf } from "../dockerfile/cache-imports.ts";
import type { CacheOptions, SolveRequest } from "../proto/gen/control_pb.ts";
import type { Policy } from "../proto/gen/policy_pb.ts";

/** An exporter that a client asks for. Its position in the request is its id. */
export interface ExporterRequest {
  readonly type: string;
  readonly attrs: Readonly<Record<string, string>>;
}

/** What is built: a graph, the result of a front end, or what the client returns. */
export type BuildSubject =
  | { readonly kind: "definition"; readonly definition: Uint8Array }
  | { readonly kind: "frontend"; readonly name: string }
  | { readonly kind: "forwarded" };

/** A request to build, without the fields of old clients. */
export interface BuildRequest {
  /** The client's name for the build. */
  readonly ref: string;
  readonly sessionId: string;
  readonly subject: BuildSubject;
  readonly attributes: Attributes;
  /** The context of a Dockerfile, if it came with the request. It is used instead of the one that the attributes name. */
  readonly context?: AsyncIterable<Uint8Array> | undefined;
  /** Serialised definitions by name. */
  readonly inputs: ReadonlyMap<string, Uint8Array>;
  readonly exporters: readonly ExporterRequest[];
  /** True if the client's session is asked for more exporters when the result is known. */
  readonly sessionExporters: boolean;
  readonly cacheImports: readonly CacheSpec[];
  readonly cacheExports: readonly CacheSpec[];
  readonly entitlements: readonly string[];
  readonly policies: readonly Policy[];
  /** The session that judges sources after the policies; empty if none does. */
  readonly policySession: string;
  /** The version of results that the client asks for. Absent: the latest. */
  readonly compatibility?: number | undefined;
  /** True if steps reach others by a proxy only. */
  readonly proxyNetwork?: boolean | undefined;
  /** True if the build leaves no record in the history. */
  readonly internal: boolean;
}

/** The versions of results that clients may ask for; the last is the default. */
const COMPATIBILITY_VERSIONS = [10n, 20n, 30n];

/**
 * Reads a request to build.
 *
 * @throws {GrpcError} `unknown` with BuildKit's text for a request that cannot be used.
 */
export function buildRequestOf(request: SolveRequest): BuildRequest {
  checkCompatibility(request.compatibilityVersion);
  checkRef(request.ref);
  const attributes = new Map(Object.entries(request.frontendAttrs));
  return {
    ref: request.ref,
    sessionId: request.session,
    subject: subjectOf(request),
    attributes,
    inputs: new Map(Object.entries(request.frontendInputs)),
    exporters: exportersOf(request, attributes),
    sessionExporters: request.enableSessionExporter,
    cacheImports: importsOf(request.cache),
    cacheExports: exportsOf(request.cache),
    entitlements: request.entitlements,
    policies: request.sourcePolicy === undefined ? [] : [request.sourcePolicy],
    policySession: request.sourcePolicySession,
    compatibility: request.compatibilityVersion === 0n ? undefined : Number(request.compatibilityVersion),
    proxyNetwork: request.proxyNetwork,
    internal: request.internal,
  };
}

function checkCompatibility(version: bigint): void {
  const latest = COMPATIBILITY_VERSIONS.at(-1) ?? 0n;
  if (version === 0n || COMPATIBILITY_VERSIONS.includes(version)) return;
  const why =
    version > latest
      ? `upgrade buildkit (max supported: ${latest})`
      : `(supported: [${COMPATIBILITY_VERSIONS.join(" ")}])`;
  throw refused(`unsupported compatibility-version ${version}${version > latest ? ":" : ""} ${why}`);
}

function subjectOf({ frontend: name, definition }: SolveRequest): BuildSubject {
  const hasGraph = definition !== undefined && definition.byteLength > 0;
  if (name !== "" && hasGraph) throw refused("cannot solve with both Definition and Frontend specified");
  if (name !== "") return { kind: "frontend", name };
  return definition === undefined ? { kind: "forwarded" } : { kind: "definition", definition };
}

/**
 * New clients repeat their first exporter in the fields of old ones. SOURCE_DATE_EPOCH becomes an attribute of each exporter, unless it
 * names a source: then the front end returns the time.
 */
function exportersOf(request: SolveRequest, attributes: Attributes): ExporterRequest[] {
  const { exporters, exporterDeprecated: type, exporterAttrsDeprecated: attrs } = request;
  const wanted = exporters.length > 0 || type === "" ? exporters : [{ type, attrs }];
  const given = attributes.get("build-arg:SOURCE_DATE_EPOCH");
  const epoch = given !== undefined && /^(?:[+-]?\d+)?$/.test(given) ? given : undefined;
  return wanted.map((each) => ({
    type: each.type,
    attrs: epoch === undefined ? each.attrs : { "source-date-epoch": epoch, ...each.attrs },
  }));
}

function importsOf(cache: CacheOptions | undefined): CacheSpec[] {
  const old = cache?.importRefsDeprecated ?? [];
  return [...(cache?.imports ?? []).map(cacheSpecOf), ...old.map((ref) => ({ type: "registry", attrs: { ref } }))];
}

function exportsOf(cache: CacheOptions | undefined): CacheSpec[] {
  const { exportRefDeprecated: ref = "", exportAttrsDeprecated: attrs = {}, exports: given = [] } = cache ?? {};
  return [...given.map(cacheSpecOf), ...(ref === "" ? [] : [{ type: "registry", attrs: { ...attrs, ref } }])];
}

function refused(text: string): GrpcError {
  return new GrpcError(GrpcCode.unknown, text);
}
