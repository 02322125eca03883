import { randomBytes } from "node:crypto";
import { formatPlatform, isVarveError, messageOf, redact } from "../core/index.ts";
import type { BuildEvent, BuildResult, BuildSettings, Store } from "../engine/index.ts";
import type { ActiveBuild } from "./active-build.ts";
import { BuildHistory } from "./build-history.ts";
import { imageDocuments } from "./image-documents.ts";
import { statusOutcome } from "./status/outcome.ts";
import { StatusLog } from "./status/status-log.ts";
import type { BuildExporter, BuildOutcome, BuildRecord, BuildRequest, ExportedBlobs } from "./types.ts";

/** Status codes of gRPC. */
const Status = { cancelled: 1, unknown: 2 } as const;

/** Collects what the history keeps of a build that this process runs for its user. */
export class LocalBuild {
  readonly ref: string = randomId();
  readonly #settings: BuildSettings;
  readonly #status = new StatusLog();
  #active: ActiveBuild | undefined;

  constructor(settings: BuildSettings) {
    this.#settings = settings;
  }

  /** Lists the build as one that runs. The build must be given the ID `ref`, and `succeeded` or `failed` must follow. */
  start({ state }: Store): void {
    this.#active = new BuildHistory(state).start(requestOf(this.ref, this.#settings), this.#status);
  }

  /** Adds an event of the build. */
  event(event: BuildEvent): void {
    this.#status.append(event);
  }

  /** Stores the build after it has succeeded. */
  async succeeded(store: Store, result: BuildResult): Promise<BuildRecord | undefined> {
    const exports = await exportedImage(store, result);
    return await this.#store({ result: exports && { exports: new Map([[0, exports]]) } });
  }

  /** Stores the build after it has failed. */
  async failed(error: unknown): Promise<BuildRecord | undefined> {
    const isCancelled = isVarveError(error, "cancelled");
    const message = isCancelled ? "context canceled" : messageOf(error);
    const status = isCancelled ? Status.cancelled : Status.unknown;
    return await this.#store({ error: { message, status } });
  }

  /** Does nothing if the build was not started, or is stored already. */
  async #store(outcome: Pick<BuildOutcome, "result" | "error">): Promise<BuildRecord | undefined> {
    const status = this.#status;
    status.close();
    using build = this.#active;
    this.#active = undefined;
    return await build?.complete({ ...outcome, ...(await statusOutcome(status, build.record)) });
  }
}

function randomId(): string {
  return randomBytes(16).toString("hex");
}

async function exportedImage({ content }: Store, { metadata }: BuildResult): Promise<ExportedBlobs | undefined> {
  const { "containerimage.descriptor": descriptor } = metadata;
  if (!isDescriptor(descriptor)) return undefined;
  return { descriptor, documents: await imageDocuments(content, descriptor) };
}

/** The engine puts a descriptor there, or nothing. */
function isDescriptor(value: unknown): value is ExportedBlobs["descriptor"] {
  return typeof value === "object" && value !== null && "digest" in value && "mediaType" in value && "size" in value;
}

/** Returns the options of a build as the attributes that BuildKit's clients send for them. Secrets are not among them. */
function requestOf(ref: string, settings: BuildSettings): BuildRequest {
  const { buildArgs = {}, labels = {}, buildContexts = {}, platforms = [], noCache = false } = settings;
  const prefixed = (prefix: string, items: Readonly<Record<string, string>>): [string, string][] =>
    Object.entries(items).map(([key, value]) => [`${prefix}:${key}`, value]);
  const entries: [string, string | undefined][] = [
    ["context", contextName(settings)],
    ["filename", dockerfileName(settings)],
    ["target", settings.target],
    ["platform", platforms.map((platform) => formatPlatform(platform)).join(",")],
    ...prefixed("build-arg", buildArgs),
    ...prefixed("context", buildContexts),
    ...prefixed("label", labels),
  ];
  const attributes = new Map<string, string>();
  for (const [key, value] of entries) if (value !== undefined && value !== "") attributes.set(key, redact(value));
  const stages = noCache === true ? "" : noCache === false ? undefined : noCache.join(",") || undefined;
  if (stages !== undefined) attributes.set("no-cache", stages);
  return { ref, frontend: "dockerfile.v0", attributes, exporters: exportersOf(settings) };
}

function contextName({ context }: BuildSettings): string | undefined {
  switch (context.kind) {
    case "directory":
      return context.path;
    case "url":
      return context.url;
    case "stream":
    case "empty":
      return undefined;
  }
}

function dockerfileName({ dockerfile }: BuildSettings): string | undefined {
  switch (dockerfile?.kind) {
    case "context":
    case "file":
      return dockerfile.path;
    case "text":
      return dockerfile.name;
    case undefined:
      return undefined;
  }
}

function exportersOf({ outputs = [{ type: "image" }], tags = [] }: BuildSettings): BuildExporter[] {
  return outputs.map(({ type, dest, attrs = {} }) => {
    const attributes = new Map(Object.entries(attrs));
    if (dest !== undefined) attributes.set("dest", dest);
    if (tags.length > 0 && !attributes.has("name")) attributes.set("name", tags.join(","));
    return { type, attributes };
  });
}
