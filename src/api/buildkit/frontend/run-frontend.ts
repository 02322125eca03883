import { answersItself } from "../../../engine/index.ts";
import { GrpcCode, GrpcError } from "../../../grpc/index.ts";
import { attributeError, withPrefix } from "../dockerfile/attributes.ts";
import { answerRequest, compileRequest, openRequest } from "../dockerfile/compile.ts";
import type { FrontendResult } from "../result/result.ts";
import { capError, missingCap } from "./caps.ts";
import { forwardRequest } from "./forward.ts";
import { runImageFrontend } from "./image/run-image.ts";
import { checkSource } from "./sources.ts";
import type { FrontendRequest } from "./request.ts";

const DOCKERFILE = "dockerfile.v0";
const GATEWAY = "gateway.v0";

/**
 * Runs a front end by its name: the built-in one of Dockerfiles, or one that is an image.
 *
 * @throws {GrpcError} with BuildKit's text for a front end that does not exist.
 */
export async function runFrontend(name: string, request: FrontendRequest): Promise<FrontendResult> {
  switch (name) {
    case DOCKERFILE:
      return await runDockerfile(request);
    case GATEWAY:
      return await runGateway(request);
    default:
      throw new GrpcError(GrpcCode.unknown, `invalid frontend: ${name}`);
  }
}

/** Compiles a Dockerfile, or answers a question about it, unless it names a front end that is an image. */
async function runDockerfile(request: FrontendRequest): Promise<FrontendResult> {
  const missing = missingCap(request.attributes);
  if (missing?.mayForward === false) throw capError(missing.name);
  const opened = await openRequest(request);
  const { foreign } = opened.build;
  if (foreign !== undefined) return await forwardRequest(foreign, request, runGateway);
  if (missing !== undefined) throw capError(missing.name);
  const requestId = request.attributes.get("requestid");
  return requestId === undefined
    ? await compileRequest(request, opened)
    : await answerRequest(requestId, request, opened);
}

/** Runs the front end of an image, or the built-in one in its place. Throws as `runFrontend`. */
export async function runGateway(request: FrontendRequest): Promise<FrontendResult> {
  const { attributes, build } = request;
  const { images } = build.host;
  if (attributes.has("gateway-devel")) throw attributeError("development gateway is no longer supported");
  const source = attributes.get("source") ?? "";
  if (source === "") throw attributeError("no source specified for gateway");
  checkSource(source, build.host);
  if (!answersItself(source, { frontendImages: images, buildContexts: withPrefix(attributes, "context:") })) {
    if (images === "never") throw attributeError(`'${source}' is not an allowed gateway source`);
    return await runImageFrontend(source, request);
  }
  const own = new Map([...attributes].filter(([key]) => key !== "source"));
  const trace = request.trace.nest({ ...request.trace.request, frontend: DOCKERFILE, options: own });
  return await runDockerfile({ ...request, attributes: own, trace });
}
