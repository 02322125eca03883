import { fstatSync, readFileSync } from "node:fs";
import { Limits, VarveError, type Digest } from "../../core/index.ts";
import { Root } from "../../linux/index.ts";
import { type BuildOp, type Edge, type Vertex, decodeDefinition, walkVertices } from "../../llb/index.ts";
import type { OpContext } from "../../solver/index.ts";
import { recordOf } from "./context-record.ts";
import { type OpDeps, holdFor } from "./deps.ts";
import { type Result, recordResult } from "./result.ts";
import { SCRATCH } from "../../record/index.ts";

type BuildDeps = Pick<OpDeps, "records" | "hold" | "nested" | "ancestors">;

/** The only builder: one that reads a definition from an input. */
const LLB_BUILDER = -1;
/** Name of the input with the definition, and of the file in it. */
const DEFINITION = "buildkit.llb.definition";
const FILENAME_ATTR = "llbbuild.filename";

/**
 * Builds the graph whose definition is in a file of an input. Returns the result of that graph.
 *
 * @throws {VarveError} `invalid-build` for an op without a definition, or a definition that contains the op; `not-found` if the
 * file is not there; the errors of reading and of solving a graph.
 */
export async function executeBuild(
  vertex: Vertex & { readonly op: BuildOp },
  inputs: readonly Result[],
  deps: BuildDeps,
  context: OpContext,
): Promise<readonly Result[]> {
  const { nested } = deps;
  if (nested === undefined)
    throw new VarveError("unsupported", "Cannot run a build op: graphs in files cannot be built here");
  const bytes = await readDefinition(vertex.op, inputs, deps, context);
  const edge = await nested.load(decodeDefinition(bytes), context.signal);
  if (edge === undefined) return [recordResult(SCRATCH)];
  const ancestors = new Set([...(deps.ancestors ?? []), vertex.digest]);
  checkAncestors(edge, ancestors);
  return [await nested.solve(edge, ancestors, context.signal)];
}

/** Throws if a graph contains an op that is building it: the op would wait for itself. */
function checkAncestors({ vertex }: Edge, ancestors: ReadonlySet<Digest>): void {
  const own = walkVertices([vertex]).find(({ digest }) => ancestors.has(digest));
  if (own !== undefined)
    throw new VarveError("invalid-build", "Cannot run a build op: its graph contains the op itself");
}

async function readDefinition(
  { builder, inputs: names, attrs }: BuildOp,
  inputs: readonly Result[],
  deps: BuildDeps,
  context: OpContext,
): Promise<Uint8Array> {
  if (builder !== LLB_BUILDER) throw new VarveError("invalid-build", "only LLB builder is currently allowed");
  const index = names.get(DEFINITION);
  if (index === undefined) throw new VarveError("invalid-build", `no llb definition input ${DEFINITION} found`);
  const input = inputs[index];
  if (input === undefined) throw new VarveError("invalid-build", `invalid index ${index}`);
  const hold = holdFor(deps, context);
  await using view = await deps.records.mount(await recordOf(input, deps, hold), hold);
  return readFile(view.path, attrs.get(FILENAME_ATTR) ?? DEFINITION);
}

/** Reads a file of a tree. Symbolic links are followed inside the tree. */
function readFile(tree: string, name: string): Uint8Array {
  using root = Root.open(tree);
  using found = root.find(name, { follow: true });
  if (found === undefined)
    throw new VarveError("not-found", `failed to open ${name}: no such file or directory`, { details: { path: name } });
  const { size } = fstatSync(found.fd);
  if (!fstatSync(found.fd).isFile()) throw new VarveError("invalid-build", `${name} is not a regular file`);
  if (size > Limits.definition)
    throw new VarveError("limit-exceeded", `Cannot read ${name}: it is larger than ${Limits.definition} bytes`);
  return readFileSync(found.path);
}
