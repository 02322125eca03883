import { hash } from "node:crypto";
import type { ContentSelector } from "../../contenthash/index.ts";
import { type Digest, redact } from "../../core/index.ts";
import { type InputFacts, type Part, type Sealer, type StepFacts, partsOf, placeOf } from "../../explain/index.ts";
import type { StepOrigin } from "../../frontend/index.ts";
import { type Vertex, cacheMapOf, localSourceOf, vertexName } from "../../llb/index.ts";
import type { InputTrace, VertexTrace } from "../../solver/index.ts";
import type { Result } from "../ops/result.ts";

/** What a step reads of each input that may have a content key. */
export type StepContent = readonly (
  | { readonly result: Result; readonly selectors: readonly ContentSelector[] }
  | undefined
)[];

/** Returns what a step reads of its inputs. */
export function contentOf(vertex: Vertex, inputs: readonly (Result | undefined)[]): StepContent {
  return cacheMapOf(vertex).inputs.map(({ content: selectors }, index) => {
    const result = inputs[index];
    return selectors === undefined || result === undefined ? undefined : { result, selectors };
  });
}

export interface FactsParts {
  readonly vertex: Vertex;
  /** The results of the vertex's inputs; empty where they are not known. */
  readonly inputs: readonly (Result | undefined)[];
  readonly trace: VertexTrace | undefined;
  readonly origin: StepOrigin | undefined;
  readonly content: StepContent;
  readonly sealer: Sealer;
  /** Commits of git sources, by vertex. */
  readonly versions: ReadonlyMap<Digest, string>;
}

/** Returns what the cache key of a step is made of. */
export function stepFacts({ vertex, inputs, trace, origin, content, sealer, versions }: FactsParts): StepFacts {
  const name = sealer.mask(vertexName(vertex));
  const place = placeOf(name);
  const args = Array.from(origin?.args ?? [], ([arg, value]): Part => ({
    kind: "arg",
    name: arg,
    value: sealer.value(arg, value),
  }));
  return {
    name,
    place,
    instruction: sealer.mask(origin?.text ?? place?.text ?? name),
    op: trace?.ops[0] ?? cacheMapOf(vertex).digest,
    parts: [...args, ...partsOf(vertex, sealer)].map((part) => sealer.masked(part)),
    secrets: vertex.metadata.policy?.secrets ?? [],
    inputs: vertex.inputs.map((input, index) => {
      const known: InputKnown = {
        trace: trace?.inputs[index],
        result: inputs[index],
        content: content[index],
        version: versions.get(input.vertex.digest),
      };
      return inputFacts(sealer.mask(vertexName(input.vertex)), input.vertex, known);
    }),
  };
}

interface InputKnown {
  readonly trace: InputTrace | undefined;
  readonly result: Result | undefined;
  readonly content: StepContent[number];
  readonly version: string | undefined;
}

function inputFacts(name: string, vertex: Vertex, { trace, result, content: read, version }: InputKnown): InputFacts {
  const { op, digest } = vertex;
  const isContext = localSourceOf(op) !== undefined;
  const content = trace?.content;
  return {
    name,
    vertex: digest,
    kind: isContext ? "context" : op.kind === "source" ? "source" : "step",
    ...(op.kind === "source" && !isContext ? { source: redact(op.identifier) } : {}),
    ...(version === undefined ? {} : { version }),
    keys: isContext ? [] : (trace?.roots ?? []),
    ...(content === undefined ? {} : { content }),
    ...(content === undefined || read === undefined ? {} : { list: listId(content, read.selectors) }),
    ...(result?.kind === "record" ? { result: result.id } : {}),
  };
}

/** Returns the id of the list of files that a content key covers. Keys of single files do not cover their names, selectors do. */
function listId(content: string, selectors: readonly ContentSelector[]): string {
  return hash("sha256", `${content} ${JSON.stringify(selectors)}`).slice(0, 32);
}
