/** BuildKit's API in this process, on a root of its own, and what clients do with it. */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { BuildkitServer, type DaemonOptions, openDaemon } from "../src/api/buildkit/index.ts";
import {
  Control,
  type SolveRequestSchema,
  type SolveResponse,
  type Vertex,
} from "../src/api/buildkit/proto/gen/control_pb.ts";
import { LLBBridge } from "../src/api/buildkit/proto/gen/gateway_pb.ts";
import { called } from "../src/api/buildkit/proto/methods.ts";
import { type Store, openStore } from "../src/engine/index.ts";
import { type GrpcClient, Metadata, invoke, invokeServerStream } from "../src/grpc/index.ts";
import { temporaryDirectory } from "../src/io/index.ts";
import { type State, definitionOf, encodeDefinition } from "../src/llb/index.ts";
import { type ServedGrpc, serveGrpc } from "./grpc.ts";

export interface BuildkitDaemon extends AsyncDisposable {
  readonly folder: string;
  readonly store: Store;
  readonly grpc: ServedGrpc;
  readonly server: BuildkitServer;
}

/** Serves BuildKit's API until disposed of. */
export async function buildkitDaemon(options: Omit<DaemonOptions, "store"> = {}): Promise<BuildkitDaemon> {
  await using stack = new AsyncDisposableStack();
  const { path: folder } = stack.use(await temporaryDirectory("varve-daemon-"));
  const store = stack.use(await openStore({ root: join(folder, "root") }));
  const daemon = stack.use(await openDaemon({ store, ...options }));
  const server = new BuildkitServer(daemon);
  const grpc = stack.use(await serveGrpc(server));
  const owned = stack.move();
  return { folder, store, grpc, server, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Returns a graph as clients send it. */
export function encoded({ edge }: State): Uint8Array {
  return encodeDefinition(definitionOf(edge));
}

type SolveRequest = MessageInitShape<typeof SolveRequestSchema>;

/** Builds what a request says, under a reference of its own. */
export async function solve(client: GrpcClient, request: SolveRequest): Promise<SolveResponse> {
  return await invoke(client, called(Control.method.solve), { ref: randomUUID(), ...request });
}

/** A build that its client drives, until it returns. */
export interface DrivenBuild {
  readonly ref: string;
  /** What the calls of the build are made with. */
  readonly call: { readonly metadata: Metadata };
  readonly solved: Promise<SolveResponse>;
  /** Ends the build without a result. */
  return(): Promise<SolveResponse>;
}

/** Starts a build that the client drives. */
export async function driveBuild(client: GrpcClient, request: SolveRequest = {}): Promise<DrivenBuild> {
  const ref = randomUUID();
  const solved = invoke(client, called(Control.method.solve), { ...request, ref });
  solved.catch(() => undefined);
  const call = { metadata: Metadata.of([["buildkit-controlapi-buildid", ref]]) };
  await invoke(client, called(LLBBridge.method.ping), {}, call);
  return {
    ref,
    call,
    solved,
    return: async () => {
      await invoke(client, called(LLBBridge.method.return), { result: {} }, call);
      return await solved;
    },
  };
}

/** Returns the last state of each vertex of a build by its name, after the build has ended. */
export async function vertices(client: GrpcClient, ref: string): Promise<ReadonlyMap<string, Vertex>> {
  const found = new Map<string, Vertex>();
  for await (const { vertexes } of invokeServerStream(client, called(Control.method.status), { ref }))
    for (const vertex of vertexes) found.set(vertex.name, vertex);
  return found;
}
