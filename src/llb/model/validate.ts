import { ROOT_MOUNT, type ExecOp, type Mount } from "./exec-op.ts";
import type { FileAction, FileOp } from "./file-op.ts";
import { invalidOp } from "./invalid.ts";
import { EMPTY, SKIP_OUTPUT, type Vertex } from "./op.ts";

function invalidGraph(why: string): never {
  throw invalidOp(`invalid ${why}`);
}

/** Returns the number of outputs of a vertex. */
function outputsOf({ op }: Pick<Vertex, "op">): number {
  const count = (outputs: readonly number[]): number => Math.max(0, ...outputs.map((output) => output + 1));
  switch (op.kind) {
    case "exec":
      return count(op.mounts.filter(hasOutput).map(({ output }) => output));
    case "file":
      return count(op.actions.map(({ output }) => output));
    case "passthrough":
      return op.outputs.length;
    case "source":
    case "merge":
    case "diff":
    case "build":
      return 1;
  }
}

/** Secret and SSH mounts have output number 0 in BuildKit's client, which means nothing. */
function hasOutput({ type }: Pick<Mount, "type">): boolean {
  return type === "bind" || type === "cache";
}

function checkInput(index: number, inputs: number, what: string): void {
  if (index !== EMPTY && (index < 0 || index >= inputs)) invalidGraph(`${what}: it names input ${index} of ${inputs}`);
}

function checkExec(op: ExecOp, inputs: number): void {
  if (op.meta.args.length === 0) invalidGraph("exec op with no args");
  if (op.mounts.length === 0) invalidGraph("exec op with no mounts");
  if (!op.mounts.some(({ dest }) => dest === ROOT_MOUNT)) invalidGraph("exec op with no rootfs");
  const taken = new Set<number>();
  for (const { type, dest, input, output } of op.mounts) {
    checkInput(input, inputs, `mount ${dest}`);
    if (!hasOutput({ type }) || output === SKIP_OUTPUT) continue;
    if (output < 0 || output >= op.mounts.length || taken.has(output))
      invalidGraph(`mount ${dest}: its output is ${output}`);
    taken.add(output);
  }
}

function checkAction(action: FileAction, index: number, inputs: number): void {
  const earlier = inputs + index;
  for (const operand of [action.input, action.secondaryInput])
    if (operand !== EMPTY && (operand < 0 || operand >= earlier))
      invalidGraph(`file action ${index}: operand ${operand} is not an input or an earlier action`);
  const owner = action.kind === "rm" ? undefined : action.owner;
  for (const user of [owner?.user, owner?.group]) if (user?.kind === "name") checkOwner(user.input, inputs, index);
}

function checkOwner(input: number, inputs: number, index: number): void {
  if (input < 0 || input >= inputs)
    invalidGraph(`file action ${index}: it looks up a name in input ${input} of ${inputs}`);
}

function checkFile(op: FileOp, inputs: number): void {
  if (op.actions.length === 0) invalidGraph("file op with no actions");
  const taken = new Set<number>();
  for (const [index, action] of op.actions.entries()) {
    checkAction(action, index, inputs);
    if (action.output === SKIP_OUTPUT) continue;
    if (action.output < 0 || action.output >= op.actions.length || taken.has(action.output))
      invalidGraph(`file action ${index}: its output is ${action.output}`);
    taken.add(action.output);
  }
}

/**
 * Checks an op that came from outside: its indexes must be in range, and no part may be missing.
 *
 * @throws {VarveError} `invalid-argument` for an op that cannot run with any inputs.
 */
export function validateOp(vertex: Pick<Vertex, "op" | "inputs">): void {
  const { op } = vertex;
  const inputs = vertex.inputs.length;
  for (const [index, { vertex: input, output }] of vertex.inputs.entries())
    if (output < 0 || output >= outputsOf(input)) invalidGraph(`input ${index} output index ${output}`);
  switch (op.kind) {
    case "exec":
      return checkExec(op, inputs);
    case "file":
      return checkFile(op, inputs);
    case "source":
      return op.identifier === "" ? invalidGraph("source op with no identifier") : undefined;
    case "merge":
      for (const input of op.inputs) checkInput(input, inputs, "merge op");
      return undefined;
    case "diff":
      for (const input of [op.lower, op.upper]) checkInput(input, inputs, "diff op");
      return undefined;
    case "build":
      for (const input of op.inputs.values()) checkInput(input, inputs, "build op");
      return undefined;
    case "passthrough":
      if (op.id === "") invalidGraph("passthrough op with no id");
      if (op.outputs.length === 0) invalidGraph("passthrough op with no outputs");
      for (const input of op.outputs)
        if (input < 0 || input >= inputs) invalidGraph(`passthrough output input index ${input}`);
      return undefined;
  }
}
