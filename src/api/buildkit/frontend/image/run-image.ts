import { isVarveError, parseGoBool } from "../../../../core/index.ts";
import { type Activity, type RequestTrace, runFrontendProcess } from "../../../../engine/index.ts";
import { GrpcCode, GrpcError, GrpcServer } from "../../../../grpc/index.ts";
import { internalName } from "../../../../llb/index.ts";
import { exitDetail } from "../../errors/detail.ts";
import { errorOf, statusError } from "../../errors/status.ts";
import { ForwardedBuild } from "../../gateway/forwarded-build.ts";
import { GatewayRefs } from "../../gateway/gateway-refs.ts";
import { bridgeMethods } from "../../gateway/gateway-service.ts";
import type { FrontendResult, ResultRef } from "../../result/result.ts";
import { healthService } from "../../services/health.ts";
import { workerMessage } from "../../worker/facts.ts";
import { checkCaps } from "../caps.ts";
import type { FrontendRequest } from "../request.ts";
import { frontendEnvironment } from "./environment.ts";
import { ErrorTail } from "./error-tail.ts";
import { type FoundImage, findImage } from "./find-image.ts";

/** The label of an image whose front end has no network. */
const NO_NETWORK = "moby.buildkit.frontend.network.none";
/** Maximum number of calls of a front end at once. Each may answer with a file that is as large as a message. */
const MAX_CALLS = 64;

/** The label with the capabilities of a front end. */
const CAPS = "moby.buildkit.frontend.caps";

/**
 * Runs a front end that is an image, and returns its result. It has the services of the gateway on its standard input and output, for its
 * own part of the build only.
 *
 * @throws {GrpcError} The error that it returns, or else that of its process.
 */
export async function runImageFrontend(source: string, request: FrontendRequest): Promise<FrontendResult> {
  const { attributes, build, definitions, trace } = request;
  using running = build.budget.enter();
  const image = await findImage(source, request);
  checkCaps(attributes, image.config.labels.get(CAPS) ?? "", { inputs: definitions.size > 0 });
  const { session } = build;
  await using own = new ForwardedBuild({
    build: { ...build, budget: running.inner },
    refs: new GatewayRefs(build),
    inputs: definitions,
    trace,
  });
  try {
    await session.progress.activity(internalName(`run front end ${source}`), (activity) =>
      runProcess(image, own, request, activity),
    );
  } catch (error) {
    return tracedBy(trace, own.outcome(error));
  }
  return tracedBy(trace, own.outcome());
}

/** Says of which request the filesystems are that the front end has made itself. */
function tracedBy(trace: RequestTrace, result: FrontendResult): FrontendResult {
  const traced = (ref: ResultRef): ResultRef => ({ ...ref, trace: ref.trace ?? trace });
  const { refs } = result;
  if (refs.kind === "single") return { ...result, refs: { kind: "single", ref: refs.ref && traced(refs.ref) } };
  const entries = Array.from(refs.refs, ([id, ref]) => [id, traced(ref)] as const);
  return { ...result, refs: { kind: "map", refs: new Map(entries) } };
}

/** Runs the process of a front end to its end. Throws if it fails, or if it closes its connection before it has returned. */
async function runProcess(
  { edge, definition, config }: FoundImage,
  own: ForwardedBuild,
  { attributes, build }: FrontendRequest,
  activity: Activity,
): Promise<void> {
  const { session, client, host } = build;
  const stop = new AbortController();
  const { signal = stop.signal } = session.hold;
  const errors = new ErrorTail();
  await using server = new GrpcServer(
    [
      ...bridgeMethods({
        buildOf: () => Promise.resolve(own),
        workers: async () => [await workerMessage(host.worker)],
      }),
      ...healthService(),
    ],
    { toError: statusError, calls: MAX_CALLS },
  );
  const environment = await frontendEnvironment({ attributes, sessionId: client.sessionId, worker: host.worker });
  const process = {
    edge,
    definition,
    args: config.args,
    env: [...config.env, ...environment],
    cwd: config.cwd,
    network: hasNoNetwork(config.labels) ? "none" : "default",
    connect: (connection) => {
      server.serve(connection);
      connection.once("close", () => own.isReturned || stop.abort());
    },
    onErrors: (chunk) => errors.add(chunk),
    signal: AbortSignal.any([signal, stop.signal]),
  } as const satisfies Parameters<typeof runFrontendProcess>[0];
  const { exitCode } = await unlessClosed(signal, () => runFrontendProcess(process, session, activity));
  if (exitCode !== 0) throw exitError(config.args, exitCode, errors);
}

/** A process that was ended without the build being cancelled has closed its connection, or sent what is no HTTP/2. */
async function unlessClosed<T>(signal: AbortSignal, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (signal.aborted || !isVarveError(error, "cancelled")) throw error;
    throw new GrpcError(GrpcCode.unknown, "frontend grpc server closed unexpectedly");
  }
}

/** The error of a front end that ends with an exit code: BuildKit's text of a failed process, and the end of its standard error. */
function exitError(args: readonly string[], exitCode: number, errors: ErrorTail): GrpcError {
  const command = JSON.stringify(args.join(" "));
  const message = `process ${command} did not complete successfully: exit code: ${exitCode}${errors.suffix}`;
  return errorOf({ code: GrpcCode.unknown, message, details: [exitDetail(exitCode)] });
}

function hasNoNetwork(labels: ReadonlyMap<string, string>): boolean {
  return parseGoBool(labels.get(NO_NETWORK) ?? "") === true;
}
