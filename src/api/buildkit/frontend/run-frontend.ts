import { type RequestTrace, loadBuild } from "../../../engine/index.ts";
import { GrpcCode, GrpcError } from "../../../grpc/index.ts";
import { type Attributes, attributeError } from "../dockerfile/attributes.ts";
import { type DockerfileRequest, compileRequest, compileSettings } from "../dockerfile/compile.ts";
import { subrequest } from "../dockerfile/subrequests.ts";
import type { FrontendResult } from "../result/result.ts";

const DOCKERFILE = "dockerfile.v0";
const GATEWAY = "gateway.v0";

/** What front ends can ask of this server with `frontend.caps`. */
const FRONTEND_CAPS: ReadonlySet<string> = new Set(
  ["inputs", "subrequests", "contexts", "gitquerystring"].map((name) => `moby.buildkit.frontend.${name}`),
);

/**
 * Runs a front end by its name. The only one is that of Dockerfiles; `gateway.v0` with `source=dockerfile.v0` is the same.
 *
 * @throws {GrpcError} with BuildKit's text for a front end that does not exist.
 */
export async function runFrontend(name: string, request: DockerfileRequest): Promise<FrontendResult> {
  const attributes = dockerfileAttributes(name, request.attributes);
  checkCaps(attributes);
  const asked = { ...request, attributes, trace: dockerfileTrace(name, attributes, request.trace) };
  const requestId = attributes.get("requestid");
  return requestId === undefined ? await compileRequest(asked) : await answer(requestId, asked);
}

/** Answers a question about a Dockerfile. The result has only metadata. */
async function answer(requestId: string, request: DockerfileRequest): Promise<FrontendResult> {
  const { session, stack } = request;
  const metadata = await subrequest(requestId, {
    load: async (warnings) => await loadBuild(compileSettings(request), session, stack, warnings),
    host: session.host,
    signal: session.hold.signal,
  });
  return { refs: { kind: "single", ref: undefined }, metadata };
}

/** A request to the gateway is one to the front end that it names. */
function dockerfileTrace(name: string, options: Attributes, trace: RequestTrace): RequestTrace {
  return name === GATEWAY ? trace.nest({ ...trace.request, frontend: DOCKERFILE, options }) : trace;
}

function dockerfileAttributes(name: string, attributes: Attributes): Attributes {
  switch (name) {
    case DOCKERFILE:
      return attributes;
    case GATEWAY:
      return gatewayAttributes(attributes);
    default:
      throw new GrpcError(GrpcCode.unknown, `invalid frontend: ${name}`);
  }
}

function gatewayAttributes(attributes: Attributes): Attributes {
  if (attributes.has("gateway-devel")) throw attributeError("development gateway is no longer supported");
  const source = attributes.get("source") ?? "";
  if (source === "") throw attributeError("no source specified for gateway");
  if (source === DOCKERFILE) return new Map([...attributes].filter(([key]) => key !== "source"));
  throw attributeError(`${JSON.stringify(source)} is not an allowed gateway source: images cannot be front ends`);
}

/** Throws if the client needs something of the front end that it does not have. */
function checkCaps(attributes: Attributes): void {
  const wanted = (attributes.get("frontend.caps") ?? "").split(",").filter((cap) => cap !== "");
  for (const cap of wanted) {
    if (FRONTEND_CAPS.has(cap.replace(/\+.*$/, ""))) continue;
    throw new GrpcError(GrpcCode.unimplemented, `unsupported frontend capability ${cap}`);
  }
}
