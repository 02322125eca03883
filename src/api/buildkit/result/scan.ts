import type { RequestTrace, Session } from "../../../engine/index.ts";
import { State } from "../../../llb/index.ts";
import { formatPlatform } from "../../../core/index.ts";
import type { Attributes } from "../dockerfile/attributes.ts";
import { scanAttestation, scannerOf } from "../dockerfile/scan.ts";
import { type FrontendResult, type ResultAttestation, type ResultRef, refsOf } from "./result.ts";
import { resultPlatforms } from "./targets.ts";

const SPDX_TYPE = "https://spdx.dev/Document";

/**
 * Returns a result with the SBOMs that a request asks for, unless its front end has made them.
 *
 * @throws {VarveError} As `scanResults` of the Dockerfile front end.
 */
export async function withScans(
  result: FrontendResult,
  attributes: Attributes,
  { session, trace }: { readonly session: Session; readonly trace: RequestTrace },
): Promise<FrontendResult> {
  const { attestations = new Map<string, readonly ResultAttestation[]>() } = result;
  if ([...attestations.values()].flat().some(({ predicateType }) => predicateType === SPDX_TYPE)) return result;
  if (refsOf(result).every((ref) => ref === undefined)) return result;
  const scanner = await scannerOf(attributes, { session, trace });
  if (scanner === undefined) return result;
  const ignoreCache = attributes.get("no-cache") === "";
  const scans = resultPlatforms(result).map(({ id, platform }) => {
    const key = id === "" ? formatPlatform(platform) : id;
    const ref = refAt(result, id);
    if (ref === undefined) return [key, []] as const;
    const core = new State(ref.edge);
    const edge = scanner.step({ id: key, core, extras: new Map(), ignoreCache });
    return [key, [scanAttestation(edge, trace)]] as const;
  });
  const merged = scans.map(([id, made]) => [id, [...(attestations.get(id) ?? []), ...made]] as const);
  return { ...result, attestations: new Map([...attestations, ...merged]) };
}

function refAt({ refs }: FrontendResult, id: string): ResultRef | undefined {
  return refs.kind === "single" ? refs.ref : refs.refs.get(id);
}
