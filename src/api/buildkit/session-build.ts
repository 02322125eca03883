import { randomUUID } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import { VarveError } from "../../core/index.ts";
import { GrpcError } from "../../grpc/index.ts";
import type { BuildRequest } from "./control/build-request.ts";
import type { ExporterResponse } from "./control/response.ts";
import { solve } from "./control/solve.ts";
import { statusOf } from "./control/status.ts";
import type { Daemon } from "./daemon.ts";
import { StatusResponseSchema } from "./proto/gen/control_pb.ts";

/** A build of a Dockerfile whose client has a session, and asks for the build in another way than by a call. */
export interface SessionBuildRequest extends Pick<BuildRequest, "sessionId" | "attributes" | "exporters"> {
  /** An archive or a Dockerfile that is the context. Default: the context that the attributes name, or the client's directory. */
  readonly context?: AsyncIterable<Uint8Array> | undefined;
  readonly entitlements?: readonly string[] | undefined;
  readonly inlineCache?: boolean | undefined;
}

/** A build that runs. */
export interface SessionBuild {
  /** The status of the build: encoded messages (`moby.buildkit.v1.StatusResponse`). Ends when the build has ended. */
  readonly status: AsyncIterable<Uint8Array>;
  /** What the exporters answer. Rejects with a `VarveError` that has BuildKit's text. */
  readonly response: Promise<ExporterResponse>;
}

/** Starts a build. It is listed in the history as other builds. Aborting `signal` cancels it. */
export function startSessionBuild(request: SessionBuildRequest, daemon: Daemon, signal: AbortSignal): SessionBuild {
  const { sessionId, attributes, exporters, context, entitlements = [], inlineCache = false } = request;
  const ref = randomUUID().replaceAll("-", "");
  const response = solve(
    {
      ref,
      sessionId,
      subject: { kind: "frontend", name: "dockerfile.v0" },
      attributes,
      context,
      inputs: new Map(),
      exporters,
      sessionExporters: false,
      cacheImports: [],
      cacheExports: inlineCache ? [{ type: "inline", attrs: {} }] : [],
      entitlements,
      policies: [],
      policySession: "",
      internal: false,
    },
    daemon,
    signal,
  );
  const translated = response.catch((error: unknown) => {
    throw error instanceof GrpcError ? new VarveError("invalid-build", error.message, { cause: error }) : error;
  });
  // Whoever awaits the response handles its error, but perhaps later.
  translated.catch(() => undefined);
  return { response: translated, status: encodedStatus(ref, daemon) };
}

/** The status ends with the build, also if the build is cancelled. */
async function* encodedStatus(ref: string, daemon: Daemon): AsyncGenerator<Uint8Array> {
  for await (const message of statusOf(ref, daemon, new AbortController().signal))
    yield toBinary(StatusResponseSchema, create(StatusResponseSchema, message));
}
