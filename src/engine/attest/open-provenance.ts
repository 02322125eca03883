import type { RequestRecord } from "../../attest/index.ts";
import type { Session } from "../session.ts";
import type { ProvenanceMaker, ProvenanceRequest } from "./provenance.ts";
import type { RequestTrace } from "./request-trace.ts";

// What makes provenance is loaded by the first build that needs it.

/** Returns what makes the provenance of a build. */
export async function openProvenance(session: Session, request: ProvenanceRequest): Promise<ProvenanceMaker> {
  const { ProvenanceMaker: Maker } = await import("./provenance.ts");
  return new Maker(session, request);
}

/** Returns a request as provenance records it, with the commit or the digest of its context. */
export async function recordOfRequest(trace: RequestTrace, session: Session): Promise<RequestRecord> {
  const { recordRequestOf } = await import("./request-record.ts");
  return await recordRequestOf(trace, session);
}
