import {
  type Descriptor,
  type Digest,
  type OrderedJson,
  type Platform,
  VarveError,
  compareBytes,
  formatPlatform,
  normalizePlatform,
} from "../../core/index.ts";
import type { Edge } from "../../llb/index.ts";
import type { Capture, UncapturedRequest, UsedSecret } from "./capture.ts";
import type { ProvenanceParameters } from "./parameters.ts";
import {
  type BuildRequest,
  type RequestRecord,
  configSourceJson,
  isSameRequest,
  parameterFields,
  recordRequest,
  scrubbed,
  vcsOf,
  withoutVcs,
} from "./request.ts";
import { resourceJson, resourcesOf } from "./resources.ts";
import { type SourceFacts, sourceJson } from "./source-json.ts";
import { type Step, stepsJson, stepsOf } from "./steps.ts";

/** What is said about the build of one result. */
export interface ProvenanceFacts {
  readonly capture: Capture;
  /** The request whose front end made the result. Absent: a client that makes its graph itself. */
  readonly request?: BuildRequest | undefined;
  /** What the client asked for, if it asked another front end. */
  readonly root?: BuildRequest | undefined;
  /** The version of results that the client asked for. */
  readonly compatibility: number;
  readonly builderPlatform: Platform;
  /** Facts about the builder that are added to its platform. */
  readonly environment?: Readonly<Record<string, OrderedJson>> | undefined;
  /** The graph of the result; undefined for an empty one. */
  readonly edge: Edge | undefined;
  /** The files that the graph was compiled from. */
  readonly sources?: SourceFacts | undefined;
  /** Samples of what the machine has used, as BuildKit's `sysUsage`. */
  readonly systemUsage?: readonly OrderedJson[] | undefined;
  /** Returns what a step has used, as BuildKit's `resourceUsage`. Default: nothing is known of any. */
  readonly usageOf?: ((vertex: Digest) => OrderedJson) | undefined;
  /** The layers of step outputs that exist as blobs. */
  readonly layersOf: (vertex: Digest) => Promise<readonly StepLayers[]>;
}

/** The chain of layers of one output of a step, lowest first. */
export interface StepLayers {
  readonly output: number;
  readonly layers: readonly Descriptor[];
}

/** The run of a build that a predicate is about. */
export interface Invocation {
  readonly id: string;
  /** ISO 8601, with the time zone `Z`. */
  readonly startedOn: string;
  readonly finishedOn: string;
}

/** A predicate of either version, before it is written. */
export interface Provenance {
  readonly dependencies: readonly OrderedJson[];
  readonly request: RequestRecord;
  readonly parameters: readonly [string, OrderedJson][];
  readonly internal: Readonly<Record<string, OrderedJson>>;
  readonly buildConfig: OrderedJson;
  readonly metadata: OrderedJson;
  readonly isHermetic: boolean;
  readonly isRequestWhole: boolean;
  readonly areMaterialsWhole: boolean;
  readonly parametersGiven: ProvenanceParameters;
}

const DOCKERFILE = "dockerfile.v0";

/**
 * Collects what provenance says about a result.
 *
 * @throws {VarveError} `invalid-build` if the parameters ask for complete materials and they are not.
 */
export async function provenanceOf(
  facts: ProvenanceFacts,
  parameters: ProvenanceParameters,
  { dockerfileVersion }: { readonly dockerfileVersion: string },
): Promise<Provenance> {
  const { capture } = facts;
  if (parameters.requireMaterials && !capture.isComplete) throw incompleteMaterials(capture);
  const { whole, vcs, isWhole, root } = requestsOf(facts, parameters.mode);
  const isMax = parameters.mode === "max";
  const steps = isMax ? stepsOf(facts.edge) : [];
  const config = isMax ? stepsJson(steps, facts.usageOf) : undefined;
  const isComplete = capture.isComplete;
  return {
    dependencies: resourcesOf(capture).map(resourceJson),
    request: whole,
    parameters: [
      ...parameterFields(whole, { used: usedFields(capture, isMax), root }),
      ["compatibilityVersion", facts.compatibility],
    ],
    internal: {
      builderPlatform: formatPlatform(normalizePlatform(facts.builderPlatform)),
      ...(whole.frontend === DOCKERFILE ? { dockerfileVersion } : {}),
      ...facts.environment,
    },
    buildConfig: config,
    metadata: {
      vcs: Object.keys(vcs).length === 0 ? undefined : sortedTexts(vcs),
      source: isMax && facts.sources !== undefined ? sourceJson(facts.sources, steps) : undefined,
      layers: isMax ? await layersJson(facts, steps) : undefined,
      sysUsage: facts.systemUsage,
      network: capture.proxied && networkJson(capture.proxied.incomplete),
    },
    isHermetic: isComplete && !capture.hasNetwork,
    isRequestWhole: whole.frontend !== "" && isWhole,
    areMaterialsWhole: isComplete,
    parametersGiven: parameters,
  };
}

interface Requests {
  readonly whole: RequestRecord;
  readonly vcs: Readonly<Record<string, string>>;
  readonly root: RequestRecord | undefined;
  /** Nothing was left out. */
  readonly isWhole: boolean;
}

const NO_REQUEST: BuildRequest = { frontend: "", options: new Map() };

function requestsOf({ request = NO_REQUEST, root, capture }: ProvenanceFacts, mode: "min" | "max"): Requests {
  const own = recordRequest(request, capture);
  const asked = root && recordRequest(root, capture);
  const isShown =
    asked !== undefined &&
    (asked.frontend !== "" || asked.args.size > 0 || asked.inputs.size > 0) &&
    !isSameRequest(asked, own);
  const shownRoot = isShown ? asked : undefined;
  const vcs = vcsOf(own);
  const record = withoutVcs(own);
  if (mode === "max") return { whole: record, vcs, root: shownRoot, isWhole: true };
  const small = scrubbed(record);
  const smallRoot = shownRoot && scrubbed(shownRoot);
  const isWhole = small.isWhole && (smallRoot?.isWhole ?? true);
  return { whole: small.record, vcs, root: smallRoot?.record, isWhole };
}

function usedFields(capture: Capture, isMax: boolean): (readonly [string, OrderedJson])[] {
  const list = (items: readonly UsedSecret[]): OrderedJson =>
    items.length === 0 || !isMax
      ? undefined
      : items.map(({ id, isOptional }) => ({ id, optional: isOptional || undefined }));
  const locals = capture.of("local").map(({ name }) => ({ name }));
  return [
    ["secrets", list(capture.secrets)],
    ["ssh", list(capture.agents)],
    ["locals", locals.length === 0 ? undefined : locals],
  ];
}

async function layersJson(facts: ProvenanceFacts, steps: readonly Step[]): Promise<OrderedJson> {
  const found = new Map<string, OrderedJson>();
  for (const { id, vertex } of steps) {
    if (vertex === undefined) continue;
    for (const { output, layers } of await facts.layersOf(vertex))
      if (layers.length > 0) found.set(`${id}:${output}`, [layers.map(descriptorJson)]);
  }
  return found.size === 0 ? undefined : new Map([...found].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function descriptorJson({ mediaType, digest, size, annotations }: Descriptor): OrderedJson {
  return { mediaType, digest, size, annotations: annotations && sortedTexts(annotations) };
}

function sortedTexts(texts: Readonly<Record<string, string>>): OrderedJson {
  return new Map(Object.entries(texts).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function networkJson(incomplete: readonly UncapturedRequest[]): OrderedJson {
  const items = sortedRequests(incomplete).map(({ op, name, method, uri, reason }) => ({
    op,
    name,
    method,
    uri,
    reason,
  }));
  return { mode: "proxy", proxy: items.length === 0 ? undefined : { incomplete: items } };
}

function sortedRequests(requests: readonly UncapturedRequest[]): UncapturedRequest[] {
  const keyOf = ({ op, uri, method, reason }: UncapturedRequest): string => [op, uri, method, reason].join("\0");
  return requests.toSorted((a, b) => compareBytes(keyOf(a), keyOf(b)));
}

function incompleteMaterials(capture: Capture): VarveError {
  const requests = sortedRequests(capture.proxied?.incomplete ?? []);
  const names = capture
    .of("local")
    .map(({ name }) => `\n  - ${name === "" ? "<unnamed>" : name}\n    reason: local_source`);
  const sources = names.length === 0 ? "" : `\n\nUncaptured local sources:${names.join("")}`;
  const lines = requests.map(
    ({ name, op, method, uri, reason }) =>
      `\n  - ${name === "" ? op : name}\n    method: ${method}\n    url: ${uri}\n    reason: ${reason}`,
  );
  const uncaptured = lines.length === 0 ? "" : `\n\nUncaptured requests:${lines.join("")}`;
  const missing = [
    ...capture.of("local").map(({ name }) => ({ op: "", name, method: "", uri: "", reason: "local_source" })),
    ...requests,
  ];
  return new VarveError(
    "invalid-build",
    "provenance materials are incomplete\n\nThe build requested complete provenance materials, but not all dependencies could be " +
      `captured.${sources}${uncaptured}`,
    { details: { missingMaterials: missing } },
  );
}

export function configSourceOf({ request }: Provenance, pathKey: "path" | "entryPoint"): OrderedJson {
  return configSourceJson(request.configSource, pathKey);
}
