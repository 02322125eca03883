import { Capture, type RequestRecord, recordRequest } from "../../attest/index.ts";
import type { Session } from "../session.ts";
import type { RequestTrace } from "./request-trace.ts";

/** Returns a request as provenance records it, with the commit or the digest of its context. */
export async function recordRequestOf({ request, edges }: RequestTrace, session: Session): Promise<RequestRecord> {
  const capture = new Capture();
  await capture.addGraphs(edges, async ({ op, platform }) => await session.pin(op, platform));
  return recordRequest(request ?? { frontend: "", options: new Map() }, capture);
}
