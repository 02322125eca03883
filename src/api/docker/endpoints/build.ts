import type { Endpoint } from "../api.ts";
import { progressStream } from "../progress-stream.ts";
import { storeBuilder } from "../store-builder.ts";
import { buildRequest } from "./build-parameters.ts";
import { sessionBuild } from "./session-build.ts";

/** `POST /build`: builds by the classic protocol, or for a client that has a session of BuildKit's. */
export const build: Endpoint = async (call, api) => {
  if (call.query.get("version") === "2") return await sessionBuild(call, api);
  const wanted = buildRequest(call);
  const run = api.classicBuild ?? storeBuilder(api);
  return await progressStream(call.request.signal, async (emit, signal) => {
    try {
      await run(wanted, emit, signal);
    } finally {
      api.onBuildEnd?.();
    }
  });
};
