/** A client that opens a session, as BuildKit's clients do: it serves inside a call that it makes. */
import { randomUUID } from "node:crypto";
import {
  type GrpcClient,
  GrpcServer,
  type Implementation,
  Metadata,
  type Method,
  invokeBidi,
  tunnel,
  unary,
} from "../src/grpc/index.ts";
import { bytesMethod } from "../src/api/buildkit/proto/bytes-message.ts";
import { Control } from "../src/api/buildkit/proto/gen/control_pb.ts";
import { Health, HealthCheckResponse_ServingStatus } from "../src/api/buildkit/proto/gen/health_pb.ts";
import { methodUrl, served } from "../src/api/buildkit/proto/methods.ts";

export interface SessionClient extends AsyncDisposable {
  readonly id: string;
  /** Settles when the daemon ends the session call. */
  readonly ended: Promise<void>;
  /** Ends the session, as clients do after a build. */
  close(): void;
}

export interface SessionClientOptions {
  readonly id?: string | undefined;
  /** Methods that are announced. Default: those that are served. */
  readonly methods?: readonly Pick<Method<unknown, unknown>, "service" | "name">[] | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** The health service of a client that lives. */
export const healthy: Implementation = unary(served(Health.method.check), async () => ({
  status: HealthCheckResponse_ServingStatus.SERVING,
}));

/** Opens a session on a connection to a daemon. */
export function openSession(
  daemon: GrpcClient,
  services: readonly Implementation[],
  { id = randomUUID(), methods = services, headers = {} }: SessionClientOptions = {},
): SessionClient {
  const metadata = Metadata.of([
    ["x-docker-expose-session-uuid", id],
    ["x-docker-expose-session-sharedkey", "shared key"],
    ["x-docker-expose-session-name", ""],
    ["x-docker-expose-session-grpc-method", methods.map(methodUrl)],
    ...Object.entries(headers),
  ]);
  const call = invokeBidi(daemon, bytesMethod(Control.method.session), { metadata });
  const ended = Promise.withResolvers<void>();
  async function* pieces(): AsyncGenerator<readonly Uint8Array[]> {
    try {
      yield* call.responses.batches;
      ended.resolve();
    } catch (error) {
      ended.reject(error);
      throw error;
    }
  }
  ended.promise.catch(() => undefined);
  const connection = tunnel({ pieces: pieces(), send: call.send, end: call.end, cancel: () => call.cancel() });
  const server = new GrpcServer(services);
  server.serve(connection);
  return {
    id,
    ended: ended.promise,
    close: () => call.end(),
    [Symbol.asyncDispose]: async () => {
      call.cancel();
      await server[Symbol.asyncDispose]();
    },
  };
}
