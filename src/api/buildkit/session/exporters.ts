import { GrpcCode, invoke, isGrpcError } from "../../../grpc/index.ts";
import { Exporter, type ExporterRequest } from "../proto/gen/exporter_pb.ts";
import { called } from "../proto/methods.ts";
import type { CallerOptions, ClientSession } from "./client-session.ts";

const findMethod = called(Exporter.method.findExporters);
const finalizeMethod = called(Exporter.method.finalizeExport);

/** What a client knows of a result when it is asked for exporters. */
export interface SolvedResult {
  readonly metadata: Readonly<Record<string, Uint8Array>>;
  /** Ids of the result's records. */
  readonly refs: readonly string[];
}

/** Returns the exporters that the client wants for a result; none if it does not choose any. */
export async function findExporters(
  session: ClientSession,
  { metadata, refs }: SolvedResult,
  { signal }: CallerOptions = {},
): Promise<readonly ExporterRequest[]> {
  const request = { metadata: { ...metadata }, refs: [...refs] };
  const response = await tolerant(session, invoke(session.client, findMethod, request, { signal }));
  return response?.exporters ?? [];
}

/** Tells the client what its exporters returned. */
export async function finalizeExport(
  session: ClientSession,
  response: Readonly<Record<string, string>>,
  { signal }: CallerOptions = {},
): Promise<void> {
  const request = { exporterResponse: { ...response } };
  await tolerant(session, invoke(session.client, finalizeMethod, request, { signal }));
}

/** Most clients do not serve these methods. */
async function tolerant<T>(session: ClientSession, call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (session.isEnded || !isGrpcError(error, GrpcCode.unimplemented, GrpcCode.unavailable)) throw error;
    return undefined;
  }
}
