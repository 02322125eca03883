import { EMPTY, type DiffOp, type Edge, type Vertex } from "./op.ts";
import type { FileAction } from "./file-op.ts";

/** Longest name, in UTF-16 code units. The name of a merge contains those of its inputs, which would double at each level. */
const MAX_NAME = 1 << 16;

const INTERNAL = "[internal]";

/** Returns the name of a vertex that is not a step of the Dockerfile: with the prefix `[internal]`, as in BuildKit. */
export function internalName(text: string): string {
  return `${INTERNAL} ${text}`;
}

/** True for a name made by `internalName`. */
export function isInternalName(name: string): boolean {
  return name.startsWith(INTERNAL);
}

/** Names of vertices whose names contain those of their inputs. */
const composed = new WeakMap<Vertex, string>();

/**
 * Returns the name of a vertex in progress, as BuildKit does: the name that the client gave it (`llb.customname`), else a
 * description of its op. It does not recurse, because graphs may be deep.
 */
export function vertexName(vertex: Vertex): string {
  const stack = [vertex];
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const missing = namedInputs(top).filter(({ vertex: input }) => isComposed(input) && !composed.has(input));
    if (missing.length > 0) stack.push(...missing.map((edge) => edge.vertex));
    else {
      if (isComposed(top)) composed.set(top, describe(top).slice(0, MAX_NAME));
      stack.pop();
    }
  }
  return nameOf(vertex);
}

function givenName({ metadata }: Vertex): string | undefined {
  return metadata.description.get("llb.customname") || undefined;
}

function isComposed(vertex: Vertex): boolean {
  return givenName(vertex) === undefined && (vertex.op.kind === "merge" || vertex.op.kind === "diff");
}

function namedInputs(vertex: Vertex): readonly Edge[] {
  return isComposed(vertex) && !composed.has(vertex) ? vertex.inputs : [];
}

function nameOf(vertex: Vertex): string {
  return givenName(vertex) ?? composed.get(vertex) ?? describe(vertex);
}

function describe({ op, inputs }: Vertex): string {
  switch (op.kind) {
    case "source":
      return op.identifier;
    case "exec":
      return op.meta.args.join(" ");
    case "file":
      return op.actions.map(actionName).join(", ");
    case "merge":
      return `merge (${joinNames(inputs)})`;
    case "diff":
      return diffName(op, inputs);
    case "build":
      return "build";
    case "passthrough":
      return `passthrough ${op.id}`;
  }
}

function joinNames(inputs: readonly Edge[]): string {
  let names = "";
  for (const { vertex } of inputs) {
    if (names.length > MAX_NAME) break;
    names += names === "" ? nameOf(vertex) : `, ${nameOf(vertex)}`;
  }
  return names;
}

function diffName({ lower, upper }: DiffOp, inputs: readonly Edge[]): string {
  const side = (input: number): string => {
    const vertex = inputs[input]?.vertex;
    return input === EMPTY || vertex === undefined ? "scratch" : `(${nameOf(vertex)})`;
  };
  return `diff ${side(lower)} -> ${side(upper)}`;
}

/** Returns the description of a file action: `copy a /b`. */
export function actionName(action: FileAction): string {
  switch (action.kind) {
    case "copy":
      return `copy ${action.src} ${action.dest}`;
    case "symlink":
      return `symlink ${action.newpath} -> ${action.oldpath}`;
    case "mkdir":
    case "mkfile":
    case "rm":
      return `${action.kind} ${action.path}`;
  }
}
