import {
  type AttestSettings,
  type ProvenanceMaker,
  type RequestTrace,
  type Session,
  openProvenance,
  openSbomMaker,
} from "../../../engine/index.ts";
import type { BlobContent, ResultContents } from "../../../history/index.ts";
import type { RequestRecord } from "../../../attest/index.ts";
import { type JsonValue, isVarveError } from "../../../core/index.ts";
import { type FrontendResult, refsOf } from "../result/result.ts";
import { resultPlatforms } from "../result/targets.ts";
import { tracedResult } from "../result/traced.ts";
import type { BuildRequest } from "./build-request.ts";

/** The provenance of one build. */
export interface Attesting extends AttestSettings {
  readonly maker: ProvenanceMaker;
}

export interface AttestingHost {
  readonly session: Session;
  /** Facts about the builder that provenance contains. */
  readonly environment: Readonly<Record<string, JsonValue>>;
  /** The requests that made the inputs of the client's request. */
  readonly inputs: ReadonlyMap<string, RequestRecord>;
}

/** What the history keeps of the provenance of a build: of a single result, or by the ids of the platforms. */
export interface RecordedProvenance {
  readonly single?: BlobContent | undefined;
  readonly platforms: ReadonlyMap<string, ResultContents>;
}

const IN_TOTO = "application/vnd.in-toto+json";
const PREDICATE_TYPE = "in-toto.io/predicate-type";

/**
 * Reads which attestations a request asks for.
 *
 * @throws {VarveError} `invalid-argument` with BuildKit's text for an unknown type or for parameters that cannot be used.
 */
export async function openAttesting(
  request: BuildRequest,
  { session, environment, inputs }: AttestingHost,
): Promise<Attesting> {
  const { attestationRequests, provenanceParameters } = await import("../../../attest/index.ts");
  const { attributes, subject, compatibility } = request;
  const frontend = subject.kind === "frontend" ? subject.name : "";
  const root = { frontend, options: attributes, inputs };
  const requests = attestationRequests(attributes);
  const [provenance, sbom] = [requests.get("provenance"), requests.get("sbom")];
  const parameters = provenance && provenanceParameters(provenance);
  const { captureUsage } = parameters ?? {};
  const maker = await openProvenance(session, { root, compatibility, environment, captureUsage });
  return {
    maker,
    provenance: parameters && { maker, parameters },
    sbom: sbom && (await openSbomMaker(session)),
  };
}

/** Makes the provenance that the history keeps. It is always whole. What cannot be made is left out: the build has succeeded. */
export async function recordedProvenance(
  result: FrontendResult,
  trace: RequestTrace,
  { maker, provenance }: Attesting,
): Promise<RecordedProvenance> {
  const { predicateType, provenanceParameters } = await import("../../../attest/index.ts");
  const builderId = provenance?.parameters.builderId ?? "";
  const parameters = provenanceParameters(new Map([["builder-id", builderId]]));
  const platforms = platformsOf(result);
  const traced = refsOf(result).map((ref, index) => tracedResult(ref, platforms[index]?.platform, trace));
  const blobs: BlobContent[] = [];
  try {
    for (const each of traced) {
      const data = Buffer.from(await maker.predicate(each, traced, parameters));
      const annotations = { [PREDICATE_TYPE]: predicateType(parameters.version) };
      blobs.push({ mediaType: IN_TOTO, data, annotations });
    }
  } catch (error) {
    if (isVarveError(error, "cancelled")) throw error;
    return { platforms: new Map() };
  }
  if (result.refs.kind === "single") return { single: result.refs.ref && blobs[0], platforms: new Map() };
  const ids = [...result.refs.refs.keys()];
  return {
    platforms: new Map(
      ids.flatMap((id, index) => {
        const blob = blobs[index];
        return blob === undefined ? [] : [[id, { attestations: [blob] }] as const];
      }),
    ),
  };
}

/** The platforms of the filesystems, in their order. Unknown if the front end says none. */
function platformsOf(result: FrontendResult): readonly (ReturnType<typeof resultPlatforms>[number] | undefined)[] {
  try {
    const known = resultPlatforms(result);
    if (result.refs.kind === "single") return known;
    return [...result.refs.refs.keys()].map((key) => known.find(({ id }) => id === key));
  } catch {
    return [];
  }
}
