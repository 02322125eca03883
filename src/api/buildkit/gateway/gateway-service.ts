import { type CallContext, GrpcCode, GrpcError, type Implementation, bidiStream, unary } from "../../../grpc/index.ts";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { buildError } from "../errors/build-error.ts";
import type { Daemon } from "../daemon.ts";
import { LLBBridge } from "../proto/gen/gateway_pb.ts";
import type { WorkerRecordSchema } from "../proto/gen/worker_pb.ts";
import { served } from "../proto/methods.ts";
import { readContainerDirectory, readContainerFile, statContainerFile } from "./containers/container-files.ts";
import { execProcess } from "./containers/exec-process.ts";
import { newContainer } from "./containers/new-container.ts";
import { readDirectory, readFile, statFile } from "./files.ts";
import { capabilities } from "../worker/caps.ts";
import { workers } from "../worker/worker.ts";
import type { ForwardedBuild } from "./forwarded-build.ts";
import { returned } from "./return.ts";
import { warn } from "./warn.ts";
import { solveError } from "./solve-error.ts";
import { solveForClient } from "./solve.ts";
import { resolveImageConfig, resolveSourceMeta } from "./source-meta.ts";

const { method } = LLBBridge;

/** The metadata that names the build that a call belongs to. */
const BUILD_ID = "buildkit-controlapi-buildid";
/** The calls that solve graphs. */
const SOLVING: ReadonlySet<string> = new Set(["Solve", "ReadFile", "ReadDir", "StatFile", "Evaluate"]);
/** Milliseconds to wait for the build of a call, which may arrive before it. */
const APPEARANCE = 3000;

/** Whose builds the calls of a bridge belong to. */
export interface BridgeHost {
  /** Returns the build that a call belongs to. `name` is that of the method. */
  readonly buildOf: (call: CallContext, name: string) => Promise<ForwardedBuild>;
  readonly workers: () => Promise<MessageInitShape<typeof WorkerRecordSchema>[]>;
}

/** Implements `moby.buildkit.v1.frontend.LLBBridge` for builds that clients drive. */
export function gatewayService(daemon: Daemon): Implementation[] {
  return bridgeMethods({
    buildOf: (call, name) => buildOf(daemon, call, name),
    workers: () => workers(daemon),
  });
}

/** Implements the methods of `LLBBridge` for the builds of a host. */
export function bridgeMethods(host: BridgeHost): Implementation[] {
  const on =
    <I, O>(run: (build: ForwardedBuild, request: I, call: CallContext) => Promise<O>, name: string) =>
    async (request: I, call: CallContext): Promise<O> => {
      const build = await host.buildOf(call, name);
      try {
        return await run(build, request, call);
      } catch (error) {
        throw SOLVING.has(name) ? solveError(error, build) : buildError(error, build.refs.sources);
      }
    };
  return [
    unary(
      served(method.ping),
      on(async () => ({ ...capabilities(), workers: await host.workers() }), "Ping"),
    ),
    unary(served(method.solve), on(solveForClient, "Solve")),
    unary(served(method.resolveImageConfig), on(resolveImageConfig, "ResolveImageConfig")),
    unary(served(method.resolveSourceMeta), on(resolveSourceMeta, "ResolveSourceMeta")),
    unary(served(method.readFile), on(readFile, "ReadFile")),
    unary(served(method.readDir), on(readDirectory, "ReadDir")),
    unary(served(method.statFile), on(statFile, "StatFile")),
    unary(
      served(method.evaluate),
      on(async ({ refs }, { ref }) => {
        await refs.get(ref).evaluate();
        return {};
      }, "Evaluate"),
    ),
    unary(
      served(method.inputs),
      on(({ inputs }) => Promise.resolve({ definitions: Object.fromEntries(inputs) }), "Inputs"),
    ),
    unary(served(method.return), on(returned, "Return")),
    unary(served(method.warn), on(warn, "Warn")),
    unary(served(method.newContainer), on(newContainer, "NewContainer")),
    unary(
      served(method.releaseContainer),
      on(async ({ containers }, { containerId }) => {
        await containers.release(containerId);
        return {};
      }, "ReleaseContainer"),
    ),
    bidiStream(served(method.execProcess), async (messages, send, call) => {
      const build = await host.buildOf(call, "ExecProcess");
      await execProcess(build, messages, send, call.signal);
    }),
    unary(served(method.readFileContainer), on(readContainerFile, "ReadFileContainer")),
    unary(served(method.readDirContainer), on(readContainerDirectory, "ReadDirContainer")),
    unary(served(method.statFileContainer), on(statContainerFile, "StatFileContainer")),
  ];
}

/** Returns the build that a call belongs to. */
async function buildOf({ jobs }: Daemon, call: CallContext, name: string): Promise<ForwardedBuild> {
  const ref = call.metadata.get(BUILD_ID);
  if (ref === undefined) throw new GrpcError(GrpcCode.unknown, `forwarding ${name}: no buildid found in context`);
  try {
    const job = await jobs.find(ref, call.signal, APPEARANCE);
    return await job.forwarded;
  } catch (error) {
    if (error instanceof GrpcError && error.code === GrpcCode.notFound)
      throw new GrpcError(GrpcCode.notFound, `forwarding ${name}: ${error.message}`);
    throw error;
  }
}
