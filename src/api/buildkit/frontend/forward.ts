import { messageOf } from "../../../core/index.ts";
import { lineRanges } from "../../../dockerfile/index.ts";
import type { ForeignFrontend } from "../../../engine/index.ts";
import { positionedError } from "../errors/build-error.ts";
import { fileOf } from "../dockerfile/compile.ts";
import { isPositioned, withMessage } from "../errors/status.ts";
import type { FrontendResult } from "../result/result.ts";
import type { FrontendRequest } from "./request.ts";

/**
 * Passes a request to a Dockerfile's front end on to the front end that the Dockerfile names.
 *
 * @throws {GrpcError} The error of the other front end, with the position of the directive unless it has one of its own.
 */
export async function forwardRequest(
  { image, cmdline, place }: ForeignFrontend,
  request: FrontendRequest,
  run: (request: FrontendRequest) => Promise<FrontendResult>,
): Promise<FrontendResult> {
  const attributes = new Map([...request.attributes, ["cmdline", cmdline], ["source", image]]);
  const trace = request.trace.nest({ ...request.trace.request, frontend: "gateway.v0", options: attributes });
  try {
    return await run({ ...request, attributes, trace });
  } catch (error) {
    if (isPositioned(error)) throw error;
    if (place === undefined)
      throw withMessage(error, `failed with build-arg:BUILDKIT_SYNTAX = ${cmdline}: ${messageOf(error)}`);
    throw positionedError(error, { source: fileOf(place.file, request), ranges: lineRanges(place.range) });
  }
}
