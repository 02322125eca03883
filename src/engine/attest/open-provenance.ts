import type { RequestRecord } from "../../attest/index.ts";
import type { Session } from "../session.ts";
import type { ProvenanceMaker, ProvenanceRequest } from "./provenance.ts";
import type { SbomMaker } from "./builtin-sbom.ts";
import type { OpenedScanner, findScanner } from "./scanner.ts";
import type { RequestTrace } from "./request-trace.ts";

// What makes provenance is loaded by the first build that needs it.

/** Returns what makes the provenance of a build. */
export async function openProvenance(session: Session, request: ProvenanceRequest): Promise<ProvenanceMaker> {
  const { ProvenanceMaker: Maker } = await import("./provenance.ts");
  return new Maker(session, request);
}

/** Looks up the generator of SBOMs that a request asks for. See `findScanner`. */
export async function openScanner(
  ...[fields, host, mode]: Parameters<typeof findScanner>
): Promise<OpenedScanner | undefined> {
  const { findScanner: find } = await import("./scanner.ts");
  return await find(fields, host, mode);
}

/** Returns what makes SBOMs without a generator. */
export async function openSbomMaker(session: Session): Promise<SbomMaker> {
  const { SbomMaker: Maker } = await import("./builtin-sbom.ts");
  return new Maker(session);
}

/** Returns a request as provenance records it, with the commit or the digest of its context. */
export async function recordOfRequest(trace: RequestTrace, session: Session): Promise<RequestRecord> {
  const { recordRequestOf } = await import("./request-record.ts");
  return await recordRequestOf(trace, session);
}
