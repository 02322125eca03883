import { apiError } from "../errors.ts";
import type { Endpoint } from "../api.ts";

/**
 * Answers a request to `POST /grpc` or `POST /session` whose connection was not taken over: it asks for no other protocol or for an
 * unknown one, or its session exists.
 */
function refusal(status: number): Endpoint {
  return ({ request }, { buildkit }) => {
    if (buildkit === undefined) throw apiError(404, "page not found");
    const protocol = request.headers.get("upgrade") ?? "";
    if (protocol === "") throw apiError(status, "no upgrade proto in request");
    if (protocol !== "h2c") throw apiError(status, `protocol ${protocol} not supported`);
    throw apiError(status, "session ID already exists");
  };
}

export const grpc: Endpoint = refusal(500);
export const session: Endpoint = refusal(400);
