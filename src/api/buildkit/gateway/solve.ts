import type { MessageInitShape } from "@bufbuild/protobuf";
import type { RequestRecord } from "../../../attest/index.ts";
import { type CacheSpec, recordOfRequest } from "../../../engine/index.ts";
import { GrpcCode, GrpcError } from "../../../grpc/index.ts";
import type { ResultSchema, SolveRequest, SolveResponseSchema } from "../proto/gen/gateway_pb.ts";
import { cacheSpecOf, requestedImports } from "../dockerfile/cache-imports.ts";
import { loadInputs } from "../frontend/load-inputs.ts";
import { type GraphLoading, encodedDefinition, loadDefinition } from "../result/definition.ts";
import { type FrontendResult, type ResultRef, refsOf } from "../result/result.ts";
import { attestationMessages } from "./attestation-messages.ts";
import type { ForwardedBuild } from "./forwarded-build.ts";

type ResultInit = MessageInitShape<typeof ResultSchema>;
type SolveResponseInit = MessageInitShape<typeof SolveResponseSchema>;

/** Solves a graph or runs a front end for a client. The filesystems of the result are solved when they are needed. */
export async function solveForClient(build: ForwardedBuild, request: SolveRequest): Promise<SolveResponseInit> {
  await build.session.importCaches(importsOf(request));
  const result = await resultOf(build, request);
  const response = responseOf(build, request, result);
  if (request.evaluate) for (const ref of refsOf(result)) await build.session.evaluate(ref?.edge);
  return response;
}

async function resultOf(build: ForwardedBuild, request: SolveRequest): Promise<FrontendResult> {
  const { definition, frontend } = request;
  const hasGraph = definition !== undefined && definition.byteLength > 0;
  if (frontend !== "" && hasGraph)
    throw new GrpcError(GrpcCode.unknown, "cannot solve with both Definition and Frontend specified");
  if (frontend === "") {
    if (!hasGraph) return { refs: { kind: "single", ref: undefined }, metadata: new Map() };
    const loaded = await loadDefinition(definition, loadingOf(build, request.sourcePolicies));
    for (const ref of refsOf(loaded)) build.trace.addEdge(ref?.edge);
    return loaded;
  }
  return await resultOfFrontend(build, request);
}

async function resultOfFrontend(build: ForwardedBuild, request: SolveRequest): Promise<FrontendResult> {
  const { frontend } = request;
  const { shared } = build;
  const attributes = new Map(Object.entries(request.frontendOpt));
  const definitions = new Map(Object.entries(request.frontendInputs));
  shared.client.useSessions(attributes);
  const inputs = await loadInputs(definitions, shared.loading);
  const producers = await shared.produced.inputs(inputs);
  const trace = build.trace.nest({ frontend, options: attributes, inputs: producers });
  const result = await shared.run(frontend, { attributes, inputs, definitions, trace, build: shared });
  const record = async (): Promise<RequestRecord> => await recordOfRequest(trace, shared.session);
  for (const ref of refsOf(result)) {
    trace.addEdge(ref?.edge);
    if (ref?.edge !== undefined) shared.stack.use(shared.produced.add(ref.edge.vertex.digest, record));
  }
  return result;
}

/** Returns the caches that a call names. */
function importsOf({ cacheImports, frontendOpt }: SolveRequest): CacheSpec[] {
  return requestedImports(cacheImports.map(cacheSpecOf), new Map(Object.entries(frontendOpt)));
}

/** Returns how a graph is read that a call brings policies for. */
function loadingOf(
  { shared: { loading, policies } }: ForwardedBuild,
  own: SolveRequest["sourcePolicies"],
): GraphLoading {
  return own.length === 0 ? loading : { ...loading, applyPolicy: policies.policyOf(own)?.apply };
}

function responseOf(build: ForwardedBuild, request: SolveRequest, result: FrontendResult): SolveResponseInit {
  const metadata = Object.fromEntries(result.metadata);
  const shape = request.allowResultArrayRef ? refsShape(build, result) : oldShape(build, result);
  const [single = ""] = result.refs.kind === "single" ? [firstId(shape)] : [];
  return {
    result: { result: shape, metadata, attestations: attestationMessages(result.attestations, build.refs) },
    ...(request.allowResultReturn ? {} : { refDeprecated: single }),
  };
}

type Shape = NonNullable<ResultInit["result"]>;

function refsShape({ refs: known }: ForwardedBuild, { refs }: FrontendResult): Shape {
  const refOf = (ref: ResultRef | undefined): { id: string; def: Uint8Array } => ({
    id: known.add(ref),
    def: encodedDefinition(ref),
  });
  if (refs.kind === "single") return { case: "ref", value: refOf(refs.ref) };
  const entries = Array.from(refs.refs, ([key, ref]) => [key, refOf(ref)] as const);
  return { case: "refs", value: { refs: Object.fromEntries(entries) } };
}

/** The shape for clients that know nothing of definitions. */
function oldShape({ refs: known }: ForwardedBuild, { refs }: FrontendResult): Shape {
  if (refs.kind === "single") return { case: "refDeprecated", value: known.add(refs.ref) };
  const entries = Array.from(refs.refs, ([key, ref]) => [key, known.add(ref)] as const);
  return { case: "refsDeprecated", value: { refs: Object.fromEntries(entries) } };
}

function firstId(shape: Shape): string {
  if (shape.case === "ref") return shape.value.id ?? "";
  return shape.case === "refDeprecated" ? shape.value : "";
}
