import {
  type BuildRequest,
  Capture,
  type Invocation,
  Invocations,
  type Provenance,
  type ProvenanceFacts,
  type ProvenanceParameters,
  encodePredicate,
  newInvocationId,
  normalized,
  predicateType,
  provenanceOf,
} from "../../attest/index.ts";
import {
  type JsonValue,
  type OrderedJson,
  type Platform,
  formatWholePlatform,
  hostPlatform,
  normalizePlatform,
} from "../../core/index.ts";
import { Sampler } from "../../exec/index.ts";
import type { Attestation, ExportSource } from "../../export/index.ts";
import { type Edge, walkVertices } from "../../llb/index.ts";
import type { StepProxies } from "../ops/deps.ts";
import type { Session } from "../session.ts";
import type { LookedUpImage, TracedResult } from "./request-trace.ts";
import { MAX_SAMPLES, systemUsage } from "./system-usage.ts";
import { stepLayers } from "./step-layers.ts";

/** The version of BuildKit's Dockerfile front end that Varve's does the same as. */
const DOCKERFILE_VERSION = "1.26.0";
/** The version of results that clients get unless they ask for another one. */
const COMPATIBILITY_VERSION = 30;

/** The provenance of one build: all statements about it name the same run. */
export class ProvenanceMaker implements Disposable {
  readonly #session: Session;
  readonly #root: BuildRequest | undefined;
  readonly #compatibility: number;
  readonly #environment: ProvenanceRequest["environment"];
  readonly #id = newInvocationId();
  readonly #usage: Sampler<OrderedJson> | undefined;
  #finishedOn: string | undefined;

  /** `root` is what the client asked for. */
  constructor(
    session: Session,
    { root, compatibility = COMPATIBILITY_VERSION, environment, captureUsage = false }: ProvenanceRequest,
  ) {
    this.#usage = captureUsage ? new Sampler({ sample: systemUsage, most: MAX_SAMPLES }) : undefined;
    if (captureUsage) session.usages.start();
    this.#session = session;
    this.#root = root;
    this.#compatibility = compatibility;
    this.#environment = environment;
  }

  [Symbol.dispose](): void {
    this.#usage?.[Symbol.dispose]();
  }

  /** Returns a source whose platforms have provenance as well. There is one result for each platform. */
  attested(source: ExportSource, results: readonly TracedResult[], parameters: ProvenanceParameters): ExportSource {
    const platforms = source.platforms.map((platform, index) => {
      const result = results[index];
      if (result === undefined) return platform;
      const attestations = [...(platform.attestations ?? []), this.#attestation(result, results, parameters)];
      return { ...platform, attestations };
    });
    return { ...source, platforms };
  }

  /**
   * Returns the predicate about one of the results, as JSON. The build must have solved it. It names this run.
   *
   * @throws {VarveError} `invalid-build` if the parameters ask for complete materials and they are not; the errors of sources.
   */
  async predicate(
    result: TracedResult,
    all: readonly TracedResult[],
    parameters: ProvenanceParameters,
  ): Promise<string> {
    return encodePredicate(await this.#provenance(result, all, parameters), this.#invocation());
  }

  /** As `predicate`, but a result from the cache names the run that has made it. */
  async #lasting(
    result: TracedResult,
    all: readonly TracedResult[],
    parameters: ProvenanceParameters,
  ): Promise<string> {
    const provenance = await this.#provenance(result, all, parameters);
    const known = encodePredicate(provenance, { id: "", startedOn: "", finishedOn: "" });
    const invocations = new Invocations(this.#session.store.state);
    return encodePredicate(provenance, invocations.of(known, this.#invocation(), this.#isCached(result)));
  }

  async #provenance(
    result: TracedResult,
    all: readonly TracedResult[],
    parameters: ProvenanceParameters,
  ): Promise<Provenance> {
    const facts = await this.#facts(result, all);
    return await provenanceOf(facts, parameters, { dockerfileVersion: DOCKERFILE_VERSION });
  }

  #attestation(result: TracedResult, all: readonly TracedResult[], parameters: ProvenanceParameters): Attestation {
    const make = async (): Promise<Uint8Array> => Buffer.from(await this.#lasting(result, all, parameters));
    return {
      predicateType: predicateType(parameters.version),
      content: { kind: "predicate", make },
      fileName: parameters.fileName,
      inlineOnly: parameters.inlineOnly,
    };
  }

  async #facts(
    { platform, edge, trace, sources }: TracedResult,
    all: readonly TracedResult[],
  ): Promise<ProvenanceFacts> {
    const session = this.#session;
    const capture = new Capture();
    const pin: Parameters<Capture["addGraphs"]>[1] = async ({ op, platform: own }) => await session.pin(op, own);
    if (edge !== undefined) await capture.addGraphs([edge], pin);
    const isResult = new Set(all.map((each) => each.edge?.vertex.digest));
    const others = (trace?.edges ?? []).filter(({ vertex }) => !isResult.has(vertex.digest));
    await capture.addGraphs(others, pin);
    if (session.proxies !== undefined)
      addProxied(capture, edge === undefined ? others : [edge, ...others], session.proxies);
    for (const name of trace?.locals ?? []) capture.add({ kind: "local", name });
    for (const name of trace?.copies ?? []) capture.delete({ kind: "local", name });
    const platforms = all.map((each) => each.platform);
    for (const image of imagesFor(platform, platforms, trace?.images ?? []))
      capture.add({ ...image, kind: "image", reference: normalized(image.reference) });
    return {
      capture,
      request: trace?.request,
      root: this.#root,
      compatibility: this.#compatibility,
      builderPlatform: hostPlatform(),
      environment: this.#environment,
      edge,
      sources,
      systemUsage: this.#usage?.close(),
      usageOf: (vertex) => {
        const usage = session.usages.of(vertex);
        return usage && { ...usage };
      },
      layersOf: stepLayers(edge && session.solvedEdge(edge), session),
    };
  }

  #invocation(): Invocation {
    this.#finishedOn ??= new Date().toISOString();
    return { id: this.#id, startedOn: this.#session.startedAt.toISOString(), finishedOn: this.#finishedOn };
  }

  /** True if no step of a result ran: what a source fetches is named by its digest. */
  #isCached({ edge }: TracedResult): boolean {
    if (edge === undefined || edge.vertex.op.kind === "source") return true;
    return this.#session.solvedEdge(edge)?.cached ?? false;
  }
}

/** Adds what steps have requested by proxies. */
function addProxied(capture: Capture, edges: readonly Edge[], { captures }: StepProxies): void {
  for (const { op, digest } of walkVertices(edges.map(({ vertex }) => vertex))) {
    if (op.kind !== "exec" || op.network === "none") continue;
    capture.proxied ??= { incomplete: [] };
    const found = captures.get(digest);
    for (const material of found?.materials ?? []) capture.add({ kind: "http", ...material });
    for (const { method, url, reason } of found?.incomplete ?? [])
      capture.proxied.incomplete.push({ op: digest, name: op.meta.args.join(" "), method, uri: url, reason });
  }
}

export interface ProvenanceRequest {
  readonly root?: BuildRequest | undefined;
  readonly compatibility?: number | undefined;
  /** Sample what steps use, and what the machine does until the predicate is made. */
  readonly captureUsage?: boolean | undefined;
  /** Facts about the builder. */
  readonly environment?: Readonly<Record<string, JsonValue>> | undefined;
}

/**
 * Returns the images that were looked up for a platform. An image that was looked up for each of the platforms counts for the platform
 * of the lookup only; another one, such as that of a tool, counts for all.
 */
function imagesFor(
  platform: Platform,
  platforms: readonly Platform[],
  images: readonly LookedUpImage[],
): readonly LookedUpImage[] {
  if (platforms.length < 2) return images;
  const id = (each: Platform): string => formatWholePlatform(normalizePlatform(each));
  const found = Map.groupBy(images, ({ reference }) => reference);
  return images.filter((image) => {
    const ids = new Set(found.get(image.reference)?.map((each) => id(each.platform)));
    return id(image.platform) === id(platform) || !platforms.every((each) => ids.has(id(each)));
  });
}
