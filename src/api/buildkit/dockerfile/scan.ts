import type { CompileResult } from "../../../frontend/index.ts";
import { formatWholePlatform, normalizePlatform } from "../../../core/index.ts";
import { type RequestTrace, type Session, openScanner, tracedHost } from "../../../engine/index.ts";
import type { Edge } from "../../../llb/index.ts";
import type { FrontendResult, ResultAttestation, ResultRef } from "../result/result.ts";
import { NO_SOURCES } from "../result/sources.ts";
import type { Attributes } from "./attributes.ts";

export interface ScanHost {
  readonly session: Session;
  readonly trace: RequestTrace;
  /** Applies the policies of the build to a graph. */
  readonly load: (edge: Edge) => Promise<Edge | undefined>;
}

/**
 * Returns the attestations with the SBOMs of compiled Dockerfiles, by the id of the platform; if the request names no generator and the
 * default one cannot be pulled, what the built-in one describes besides the results. Empty if the request wants no SBOM.
 *
 * @throws {VarveError} `invalid-argument` with BuildKit's text for parameters that cannot be used.
 */
export async function scanResults(
  compiled: readonly CompileResult[],
  attributes: Attributes,
  host: ScanHost,
): Promise<Pick<FrontendResult, "attestations" | "scans">> {
  const { attestationRequests } = await import("../../../attest/index.ts");
  if (!attestationRequests(attributes).has("sbom")) return {};
  const scanner = await scannerOf(attributes, host);
  if (scanner === undefined) return { scans: await unscanned(compiled, host) };
  const entries = compiled.map(async (result) => {
    const id = formatWholePlatform(normalizePlatform(result.platform));
    return [id, [scanAttestation(await host.load(scanner.stepFor(result)), host.trace)]] as const;
  });
  return { attestations: new Map(await Promise.all(entries)) };
}

/** Returns what the built-in generator describes besides the results. */
async function unscanned(compiled: readonly CompileResult[], host: ScanHost): Promise<FrontendResult["scans"]> {
  const entries = compiled.map(async ({ platform, scans }) => {
    const refs = [...scans].map(async ([name, { edge }]) => {
      const ref: ResultRef = { edge: edge && (await host.load(edge)), sources: NO_SOURCES, trace: host.trace };
      return [name, ref] as const;
    });
    return [formatWholePlatform(normalizePlatform(platform)), new Map(await Promise.all(refs))] as const;
  });
  return new Map(await Promise.all(entries));
}

/** Returns the generator that a request asks for. Undefined as for `scanResults`. */
export async function scannerOf(
  attributes: Attributes,
  { session, trace }: Pick<ScanHost, "session" | "trace">,
): ReturnType<typeof openScanner> {
  const { attestationRequests } = await import("../../../attest/index.ts");
  const fields = attestationRequests(attributes).get("sbom");
  if (fields === undefined) return undefined;
  const mode = attributes.get("image-resolve-mode");
  return await openScanner(
    fields,
    tracedHost(session.host, trace),
    mode === "pull" || mode === "local" ? mode : "default",
  );
}

/** Returns the statements that a scan makes, as an attestation that a front end returns. */
export function scanAttestation(edge: Edge | undefined, trace: RequestTrace): ResultAttestation {
  const ref: ResultRef = { edge, sources: NO_SOURCES, trace };
  return {
    kind: "bundle",
    ref,
    path: "/",
    predicateType: "https://spdx.dev/Document",
    inlineOnly: false,
    coreName: "sbom",
    subjects: [],
  };
}
