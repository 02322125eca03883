import { type Digest, type OrderedJson, digestOf } from "../../core/index.ts";
import { type Edge, type Op, type Vertex, encodeOp } from "../../llb/index.ts";
import { SESSION_ATTRIBUTES, type PrintedOp, opJson } from "./op-json.ts";

/** One op of a graph, as provenance numbers them. */
export interface Step {
  /** `step0`, `step1`, … */
  readonly id: string;
  /** The digest of the vertex in the build; undefined for the last step, which only names the result. */
  readonly vertex: Digest | undefined;
  /** The digest of the op without what differs from build to build. */
  readonly digest: Digest;
  readonly printed: PrintedOp;
  /** `step0:0`: a step and the number of its output. */
  readonly inputs: readonly string[];
}

/** Returns the ops of a graph: inputs in their order, then the op; last a step that names the result. An absent edge has none. */
export function stepsOf(edge: Edge | undefined): Step[] {
  if (edge === undefined) return [];
  const steps = new Map<Digest, Step>();
  for (const vertex of inputsFirst(edge.vertex)) {
    const { platform, constraints } = vertex;
    const op = withoutSession(vertex.op);
    const inputs = vertex.inputs.map((input) => ({ digest: digestIn(steps, input), output: input.output }));
    const digest =
      op === vertex.op && inputs.every(({ digest: own }, at) => own === vertex.inputs[at]?.vertex.digest)
        ? vertex.digest
        : digestOf(encodeOp({ op, inputs, platform, constraints }));
    steps.set(vertex.digest, {
      id: `step${steps.size}`,
      vertex: vertex.digest,
      digest,
      printed: { op: vertex.op, platform, constraints },
      inputs: vertex.inputs.map((input) => nameIn(steps, input)),
    });
  }
  const last = digestOf(encodeOp({ inputs: [{ digest: digestIn(steps, edge), output: edge.output }] }));
  const end = { id: `step${steps.size}`, vertex: undefined, digest: last, printed: {}, inputs: [nameIn(steps, edge)] };
  return [...steps.values(), end];
}

/** Returns the steps as JSON: `llbDefinition` and `digestMapping`. `usageOf` returns what a step has used. */
export function stepsJson(
  steps: readonly Step[],
  usageOf?: (vertex: Digest) => OrderedJson,
): { llbDefinition?: OrderedJson; digestMapping?: OrderedJson } {
  if (steps.length === 0) return {};
  const mapping = steps.map(({ digest, id }) => [digest, id] as const).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return {
    llbDefinition: steps.map(({ id, vertex, printed, inputs }) => ({
      id,
      op: opJson(printed),
      inputs: inputs.length === 0 ? undefined : inputs,
      resourceUsage: vertex && usageOf?.(vertex),
    })),
    digestMapping: new Map(mapping),
  };
}

function withoutSession(op: Op): Op {
  if (op.kind !== "source" || ![...op.attrs.keys()].some((key) => SESSION_ATTRIBUTES.has(key))) return op;
  return { ...op, attrs: new Map([...op.attrs].filter(([key]) => !SESSION_ATTRIBUTES.has(key))) };
}

function stepOf(steps: ReadonlyMap<Digest, Step>, { vertex }: Edge): Step | undefined {
  return steps.get(vertex.digest);
}

function digestIn(steps: ReadonlyMap<Digest, Step>, edge: Edge): Digest {
  return stepOf(steps, edge)?.digest ?? edge.vertex.digest;
}

function nameIn(steps: ReadonlyMap<Digest, Step>, edge: Edge): string {
  return `${stepOf(steps, edge)?.id ?? ""}:${edge.output}`;
}

/** Yields every vertex below a root once, inputs first in their order. It does not recurse, because graphs may be deep. */
function* inputsFirst(root: Vertex): Generator<Vertex> {
  const seen = new Set<Digest>([root.digest]);
  const stack: { readonly vertex: Vertex; next: number }[] = [{ vertex: root, next: 0 }];
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const input = top.vertex.inputs[top.next++];
    if (input === undefined) {
      stack.pop();
      yield top.vertex;
    } else if (!seen.has(input.vertex.digest)) {
      seen.add(input.vertex.digest);
      stack.push({ vertex: input.vertex, next: 0 });
    }
  }
}
