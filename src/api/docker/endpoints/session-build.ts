import { type JsonNode, formatReference, parseReference, withDefaultTag } from "../../../core/index.ts";
import { Output } from "../../../classic/index.ts";
import type { SessionBuildRequest } from "../../buildkit/index.ts";
import type { HttpResponse } from "../../http/index.ts";
import type { Call, DockerApi, Endpoint } from "../api.ts";
import type { ClassicBuildRequest } from "../build-request.ts";
import { apiError } from "../errors.ts";
import { progressStream } from "../progress-stream.ts";
import { jsonValue, text } from "../query.ts";
import { buildRequest } from "./build-parameters.ts";

type Attributes = Readonly<Record<string, string | undefined>>;

const UPLOAD = "upload-request";

/** An id that the client gives its build, and whether the request brings the build's context only. */
interface BuildId {
  readonly id: string | undefined;
  readonly isUpload: boolean;
}

function buildIdOf(query: URLSearchParams): BuildId {
  const id = text(query, "buildid");
  const isUpload = id?.startsWith(`${UPLOAD}:`) === true;
  return { id: isUpload ? id.slice(UPLOAD.length + 1) : id, isUpload };
}

/**
 * `POST /build?version=2`: builds for a client that has opened a session by `POST /session`, as `docker build` did before buildx. The
 * response has the status of BuildKit's API and the image's ID.
 */
export async function sessionBuild(call: Call, api: DockerApi): Promise<HttpResponse> {
  if (api.buildkit === undefined)
    throw apiError(400, "Cannot build: BuildKit is not served here; set DOCKER_BUILDKIT=0");
  const { id, isUpload } = buildIdOf(call.query);
  if (isUpload && id !== undefined) {
    await api.sessionBuilds.offer(id, call.request.body);
    return { status: 200, headers: { "Content-Type": "application/json" } };
  }
  const request = buildRequest(call);
  return await progressStream(call.request.signal, async (emit, signal) => {
    using open = id === undefined ? undefined : api.sessionBuilds.open(id);
    const stop = open === undefined ? signal : AbortSignal.any([signal, open.signal]);
    const context = request.remote === UPLOAD ? await open?.upload() : undefined;
    const { quiet } = request;
    await runBuild(sessionRequest(call, request, context), {
      api,
      output: new Output(emit, { quiet }),
      signal: stop,
    });
  });
}

interface Run {
  readonly api: DockerApi;
  readonly output: Output;
  readonly signal: AbortSignal;
}

/** Emits the status of the build and the ID of the image; for a quiet build the ID alone, or the status if it fails. */
async function runBuild(request: SessionBuildRequest, run: Run): Promise<void> {
  const { output, signal } = run;
  const build = run.api.buildkit?.build(request, signal);
  if (build === undefined) return;
  try {
    for await (const message of build.status)
      output.send({ id: "moby.buildkit.trace", aux: Buffer.from(message).toString("base64") });
    const response = await build.response;
    const ID = response["containerimage.config.digest"] ?? response["containerimage.digest"];
    if (ID === undefined) return;
    output.send({ id: "moby.image.id", aux: { ID } });
    output.result(`${ID}\n`);
  } catch (error) {
    output.flush();
    throw error;
  }
}

/** Returns the build as BuildKit's front end takes it. */
function sessionRequest(
  { query, request: { body } }: Call,
  request: ClassicBuildRequest,
  uploaded: SessionBuildRequest["context"],
): SessionBuildRequest {
  const { remote, networkMode, buildArgs } = request;
  return {
    sessionId: text(query, "session") ?? "",
    context: remote === undefined ? body : uploaded,
    attributes: attributesOf(request, text(query, "platform")),
    exporters: exportersOf(query, request.tags),
    entitlements: networkMode === "host" ? ["network.host"] : [],
    inlineCache: /^(?:1|t|true)$/i.test(buildArgs.get("BUILDKIT_INLINE_CACHE") ?? ""),
  };
}

/** Returns the attributes of the front end. Those without a value are left out. */
function attributesOf(request: ClassicBuildRequest, platform: string | undefined): ReadonlyMap<string, string> {
  const { remote, networkMode, limits } = request;
  const isLocal = remote === undefined || remote === "client-session" || remote === UPLOAD;
  const network = networkMode === "default" || networkMode === "bridge" ? undefined : networkMode;
  const attributes: Attributes = {
    target: request.target,
    filename: request.dockerfile,
    context: isLocal ? undefined : remote,
    "cache-from": request.cacheFrom.join(",") || undefined,
    "no-cache": request.noCache ? "" : undefined,
    "image-resolve-mode": request.pull ? "pull" : "default",
    platform,
    "force-network-mode": network,
    "add-hosts": request.extraHosts.map((entry) => entry.replace(/[:=]/, "=")).join(",") || undefined,
    ulimit: limits.ulimits.map(({ name, soft, hard }) => `${name}=${soft}:${hard}`).join(",") || undefined,
    "cgroup-parent": limits.cgroupParent,
    ...sizesOf(request),
  };
  const given = Object.entries(attributes).flatMap(([key, value]) =>
    value === undefined ? [] : [[key, value] as const],
  );
  const args = [...request.buildArgs].flatMap(([key, value]) =>
    value === null ? [] : [[`build-arg:${key}`, value] as const],
  );
  const labels = [...request.labels].map(([key, value]) => [`label:${key}`, value] as const);
  return new Map([...given, ...args, ...labels]);
}

function sizesOf({ limits }: ClassicBuildRequest): Attributes {
  const { memory, memorySwap, cpuShares, cpuPeriod, cpuQuota, cpusetCpus, cpusetMems, shmSize } = limits;
  const numbers = { memory, memswap: memorySwap, cpushares: cpuShares, cpuperiod: cpuPeriod, cpuquota: cpuQuota };
  const given = Object.entries({ ...numbers, "shm-size": shmSize }).filter(([, value]) => value !== 0);
  return {
    ...Object.fromEntries(given.map(([key, value]) => [key, String(value)])),
    cpusetcpus: cpusetCpus,
    cpusetmems: cpusetMems,
  };
}

/** Reads `outputs`. Without it, the image goes into the store, as an image without a name if the request has none. */
function exportersOf(query: URLSearchParams, tags: readonly string[]): SessionBuildRequest["exporters"] {
  const outputs = jsonValue(query, "outputs").list(outputOf) ?? [];
  if (outputs.length > 1) throw apiError(400, "multiple outputs not supported");
  const [output = { type: "moby", attrs: {} }] = outputs;
  if (output.type === "cacheonly") return [];
  const name = tags.map((tag) => formatReference(withDefaultTag(parseReference(tag)))).join(",");
  switch (output.type) {
    case "moby":
    case "image":
      return [{ type: output.type, attrs: { ...DANGLING, ...output.attrs, ...(name === "" ? {} : { name }) } }];
    default:
      return [output];
  }
}

/** What Docker's clients ask of the exporter for images without a name. The second key is spelled as in BuildKit. */
const DANGLING = { "dangling-name-prefix": "moby-dangling", "danging-name-empty-only": "true" };

function outputOf(item: JsonNode): SessionBuildRequest["exporters"][number] {
  const json = item.requiredObject();
  return { type: json.string("Type") ?? "", attrs: Object.fromEntries(json.field("Attrs").stringMap() ?? []) };
}

/** `POST /build/cancel`: cancels a build with an id. An unknown id is not an error. */
export const buildCancel: Endpoint = ({ query }, { sessionBuilds }) => {
  const id = text(query, "id");
  if (id === undefined) throw apiError(400, "build ID not provided");
  sessionBuilds.cancel(id);
  return { status: 200, headers: { "Content-Type": "application/json" } };
};
