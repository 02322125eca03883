import { compareBytes, platformToJson } from "../../../../core/index.ts";
import type { Attributes } from "../../dockerfile/attributes.ts";
import { buildkitVersion } from "../../worker/version.ts";
import type { WorkerFacts } from "../../worker/facts.ts";

/** What libraries of front ends call the product that needs an update if something is missing. */
const PRODUCT = "buildkit";

/**
 * Returns the variables by which a front end gets its options, besides those of its image.
 *
 * @see moby/buildkit frontend/gateway/gateway.go, and grpcclient/client.go, which reads them
 */
export async function frontendEnvironment({
  attributes,
  sessionId,
  worker,
}: {
  readonly attributes: Attributes;
  readonly sessionId: string;
  readonly worker: WorkerFacts;
}): Promise<string[]> {
  const options = [...attributes].sort(([a], [b]) => compareBytes(a, b));
  return [
    ...options.map(([key, value], index) => `BUILDKIT_FRONTEND_OPT_${index}=${key}=${value}`),
    `BUILDKIT_SESSION_ID=${sessionId}`,
    `BUILDKIT_WORKERS=${JSON.stringify([await workerJson(worker)])}`,
    `BUILDKIT_EXPORTEDPRODUCT=${PRODUCT}`,
  ];
}

async function workerJson({ id, labels, platforms }: WorkerFacts): Promise<object> {
  const { dockerfileVersion: _dockerfile, ...version } = buildkitVersion();
  return {
    id,
    labels,
    platforms: (await platforms()).map(platformToJson),
    gcPolicy: null,
    buildkitVersion: version,
    cdiDevices: null,
  };
}
