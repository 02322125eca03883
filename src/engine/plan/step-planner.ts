import { StepTimes } from "../../cache/index.ts";
import { type Edge, type Vertex, isInternalName, localSourceOf, vertexName, walkVertices } from "../../llb/index.ts";
import type { PlannedEdge, SolverVertex } from "../../solver/index.ts";
import { StepExplainer } from "../explain/step-explainer.ts";
import type { Result } from "../ops/result.ts";
import { timeName } from "../ops/step-time.ts";
import type { Session } from "../session.ts";
import type { Store } from "../store/store.ts";
import { Fetches } from "./fetches.ts";
import type { TracedPlanner } from "./traced-planner.ts";
import type { PlanOutcome, PlanStep } from "./types.ts";

type PlanMiss = Extract<PlanOutcome, { readonly kind: "miss" }>;

/** Plans the steps of a build's graphs. */
export class StepPlanner {
  readonly #session: Session;
  readonly #project: string;
  readonly #fetches: Fetches;
  readonly #times: StepTimes;
  readonly #explainer: StepExplainer;
  /** Loaded when a step is traced. */
  #traced: TracedPlanner | undefined;

  constructor(session: Session, store: Store, project: string) {
    this.#session = session;
    this.#project = project;
    this.#fetches = new Fetches(store);
    this.#times = new StepTimes(store.state);
    this.#explainer = new StepExplainer(store.state, project, session.explaining);
  }

  /** Bytes of all layers that the steps so far need and this machine has not. */
  get fetchBytes(): number {
    return this.#fetches.total;
  }

  /** Returns the steps of one graph, inputs first. */
  async steps(edge: Edge, platform: string): Promise<PlanStep[]> {
    const vertices = walkVertices([edge.vertex]);
    const byDigest = new Map(vertices.map((vertex) => [vertex.digest, vertex]));
    const opOf = ({ digest }: SolverVertex<Result>): Vertex | undefined => byDigest.get(digest);
    const planned = await this.#session.plan([edge], {
      open: async (vertex) => (isReadable(opOf(vertex)) ? await read(vertex) : undefined),
      isOpaque: (vertex) => isOpaque(opOf(vertex)),
    });
    if (vertices.some((vertex) => this.#session.traces(vertex))) {
      const { TracedPlanner: Traced } = await import("./traced-planner.ts");
      this.#traced ??= new Traced(this.#session);
    }
    const steps: PlanStep[] = [];
    for (const vertex of vertices) {
      const outputs = planned.filter((each) => each.vertex.digest === vertex.digest);
      const shown = outputs.find(({ isNeeded }) => isNeeded) ?? outputs[0];
      const foreseen = shown && (await this.#traced?.add(vertex, shown));
      if (shown === undefined || !isStep(vertex)) continue;
      const outcome = await this.#outcome(vertex, shown, foreseen);
      if (outcome !== undefined) steps.push({ name: vertexName(vertex), digest: vertex.digest, platform, outcome });
    }
    return steps;
  }

  async #outcome(
    vertex: Vertex,
    planned: PlannedEdge<Result>,
    foreseen: PlanOutcome | undefined,
  ): Promise<PlanOutcome> {
    const { outcome, isNeeded, result } = planned;
    if (!isNeeded && outcome.kind !== "hit") return { kind: "unneeded" };
    const fetchBytes = isNeeded ? this.#fetches.add(result) : 0;
    if (outcome.kind === "hit") {
      const { cache, result: stored } = outcome.record;
      return { kind: "hit", cache: cache.id, createdAt: stored.createdAt, fetchBytes };
    }
    const lastMs = this.#times.last(timeName(this.#project, vertex));
    const time = lastMs === undefined ? {} : { lastMs };
    if (foreseen !== undefined) return foreseen.kind === "miss" ? { ...foreseen, ...time } : foreseen;
    if (outcome.kind === "unknown") return { kind: "unknown", on: outcome.on.map(({ name }) => name), ...time };
    return { kind: "miss", ...(await this.#explain(vertex, planned)), ...time };
  }

  /** Returns why a step would run. A plan does not fail because that is not known. */
  async #explain(vertex: Vertex, { inputs, trace }: PlannedEdge<Result>): Promise<Omit<PlanMiss, "kind">> {
    if (vertex.op.kind === "source") return { text: "" };
    try {
      const explanation = await this.#explainer.announce(vertex, inputs, [trace]);
      this.#session.explaining.reasons.set(vertex.digest, explanation.reason);
      return vertex.metadata.policy?.why === "off" ? { text: "" } : explanation;
    } catch {
      return { text: "" };
    }
  }
}

async function read(vertex: SolverVertex<Result>): Promise<Result | undefined> {
  const signal = new AbortController().signal;
  const [result] = await vertex.op.execute([], { signal, vertex: vertex.digest, report: () => undefined });
  return result;
}

/** True for a directory of the client, and for an image, of which only the manifest is fetched. */
function isReadable(vertex: Vertex | undefined): boolean {
  return vertex?.op.kind === "source" && !isOpaque(vertex);
}

/** True for a source whose key is known only when it is fetched. */
function isOpaque(vertex: Vertex | undefined): boolean {
  if (vertex?.op.kind !== "source" || localSourceOf(vertex.op) !== undefined) return false;
  return !/^(docker-image|oci-layout):/.test(vertex.op.identifier);
}

function isStep(vertex: Vertex): boolean {
  const isContext = vertex.op.kind === "source" && localSourceOf(vertex.op) !== undefined;
  return !isContext && !isInternalName(vertexName(vertex));
}
