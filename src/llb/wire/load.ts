import { VarveError, digestOf, isVarveError, messageOf, throwIfAborted, type Digest } from "../../core/index.ts";
import { invalidOp } from "../model/invalid.ts";
import { noMetadata, type Edge, type Vertex, type VertexMetadata } from "../model/op.ts";
import { validateOp } from "../model/validate.ts";
import { decodeOp, type DecodedOp } from "./decode-op.ts";
import type { Definition } from "./definition.ts";

/** Options of `graphOf`. */
export interface GraphOptions {
  /**
   * Returns why a capability that a vertex needs is not there, or undefined if it is there (`missingCapability`). Default:
   * capabilities are not checked.
   */
  readonly missing?: ((capability: string) => string | undefined) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Maximum number of ops of a definition. */
const MAX_OPS = 1 << 17;

interface LoadedOp {
  readonly decoded: DecodedOp;
  readonly bytes: Uint8Array;
}

/**
 * Returns the result of a definition's graph, or undefined for scratch. The digest of a vertex is that of the bytes in the
 * definition, so that fields which are not known here change it too. Every vertex below the result is checked with `validateOp`.
 *
 * @throws {VarveError} `failed to load LLB: ` and BuildKit's text: `invalid-argument` for a graph that is not valid or needs a
 * missing capability, `corrupt` for bytes that are not an op, `unsupported` as `decodeOp`, `limit-exceeded`, `cancelled`.
 */
export function graphOf(definition: Definition, options: GraphOptions = {}): Edge | undefined {
  if (definition.ops.length === 0) return undefined;
  return loading(() => new Loader(definition, options).result());
}

/** Runs a function that reads or checks a graph. Its errors get the prefix that BuildKit gives them. */
export function loading<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw loadError(error);
  }
}

/** Returns an error of reading or checking a graph with the prefix that BuildKit gives it. */
export function loadError(error: unknown): unknown {
  if (!isVarveError(error) || error.code === "cancelled") return error;
  const { details, hint } = error;
  return new VarveError(error.code, `failed to load LLB: ${error.message}`, {
    details,
    cause: error,
    ...(hint === undefined ? {} : { hint }),
  });
}

function parseOp(bytes: Uint8Array): LoadedOp {
  try {
    return { decoded: decodeOp(bytes), bytes };
  } catch (error) {
    if (!isVarveError(error, "corrupt")) throw error;
    throw new VarveError("corrupt", `failed to parse llb proto op: ${messageOf(error)}`, { cause: error });
  }
}

/** Makes the vertices of decoded ops, each one once. Cycles are impossible, because an op contains the digests of its inputs. */
class Loader {
  readonly #ops = new Map<Digest, LoadedOp>();
  readonly #metadata: ReadonlyMap<Digest, VertexMetadata>;
  readonly #options: GraphOptions;
  readonly #made = new Map<Digest, Vertex>();
  readonly #last: { readonly digest: Digest; readonly op: LoadedOp };

  constructor({ ops, metadata }: Definition, options: GraphOptions) {
    if (ops.length > MAX_OPS) throw new VarveError("limit-exceeded", `invalid LLB with more than ${MAX_OPS} vertexes`);
    this.#metadata = metadata;
    this.#options = options;
    let last: { readonly digest: Digest; readonly op: LoadedOp } | undefined;
    for (const bytes of ops) {
      throwIfAborted(options.signal, "load a build graph");
      const digest = digestOf(bytes);
      const op = this.#ops.get(digest) ?? parseOp(bytes);
      for (const [index, { output }] of op.decoded.inputs.entries())
        if (output < 0) throw invalidOp(`invalid input ${index} output index ${output}`);
      this.#ops.set(digest, op);
      last = { digest, op };
    }
    if (last === undefined) throw invalidOp("invalid empty definition");
    this.#last = last;
  }

  /** Returns the edge that the last entry names. */
  result(): Edge {
    for (const { decoded } of this.#ops.values()) for (const { digest } of decoded.inputs) this.#op(digest);
    if (this.#ops.size < 2) throw invalidOp(`invalid LLB with ${this.#ops.size} vertexes`);
    this.#ops.delete(this.#last.digest);
    const [result] = this.#last.op.decoded.inputs;
    if (result === undefined) throw invalidOp("invalid LLB with no inputs on last vertex");
    const vertex = this.#load(result.digest);
    validateOp({ op: { kind: "merge", inputs: [0] }, inputs: [{ vertex, output: result.output }] });
    return { vertex, output: result.output };
  }

  /** Makes a vertex and all vertices below it. It does not recurse, because graphs may be deep. */
  #load(digest: Digest): Vertex {
    const stack = [this.#frame(digest)];
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const input = top.inputs[top.next++];
      if (input !== undefined) {
        if (!this.#made.has(input.digest)) stack.push(this.#frame(input.digest));
      } else {
        stack.pop();
        this.#made.set(top.digest, this.#made.get(top.digest) ?? this.#make(top.digest));
      }
    }
    return this.#vertex(digest);
  }

  #frame(digest: Digest): { readonly digest: Digest; readonly inputs: DecodedOp["inputs"]; next: number } {
    return { digest, inputs: this.#op(digest).decoded.inputs, next: 0 };
  }

  #op(digest: Digest): LoadedOp {
    const op = this.#ops.get(digest);
    if (op === undefined) throw invalidOp(`invalid missing input digest ${digest}`);
    return op;
  }

  #vertex(digest: Digest): Vertex {
    const vertex = this.#made.get(digest);
    if (vertex === undefined) throw invalidOp(`invalid missing input digest ${digest}`);
    return vertex;
  }

  #make(digest: Digest): Vertex {
    throwIfAborted(this.#options.signal, "load a build graph");
    const { decoded, bytes } = this.#op(digest);
    const { op, platform, constraints } = decoded;
    if (op === undefined) throw invalidOp("invalid nil op");
    const inputs = decoded.inputs.map((input) => ({ vertex: this.#vertex(input.digest), output: input.output }));
    const metadata = this.#metadata.get(digest) ?? noMetadata;
    const vertex: Vertex = { digest, op, inputs, constraints, bytes, metadata, platform };
    validateOp(vertex);
    this.#checkCapabilities(metadata);
    return vertex;
  }

  #checkCapabilities({ caps }: VertexMetadata): void {
    const { missing } = this.#options;
    if (missing === undefined) return;
    for (const id of caps) {
      const why = missing(id);
      if (why !== undefined) throw invalidOp(why);
    }
  }
}
