import { VarveError } from "../core/index.ts";
import { EMPTY, type FileAction, type FileOp, SKIP_OUTPUT, type UserRef } from "../llb/index.ts";
import { applyFileAction } from "./apply.ts";
import type { TreeOf } from "./owner.ts";
import type { SourceTree } from "./source-tree.ts";

/** A writable tree on top of a result. Disposal discards changes that were not committed. */
export interface ChangingTree<R> extends AsyncDisposable {
  /** Path of the writable tree. */
  readonly path: string;
  /** Turns the tree into a result. It can no longer be changed. */
  commit(): Promise<R>;
}

/** A result's tree, readable until it is disposed of. */
export interface ReadableTree extends AsyncDisposable {
  readonly tree: SourceTree;
}

/** The operations on results that a file op needs. */
export interface FileOpHost<R> {
  /** Opens a writable tree with the content of `base`; empty without it. */
  change(base: R | undefined, action: FileAction): Promise<ChangingTree<R>>;
  /** Opens the tree of a result for reading. */
  read(result: R): Promise<ReadableTree>;
  /**
   * Called after an action has failed, with the trees that it used and that are not inputs, by the numbers of the actions that made
   * them. The failed action's own tree is one of them. Absent: such trees are discarded.
   */
  failed?(action: number, trees: ReadonlyMap<number, ChangingTree<R>>): Promise<void>;
}

/**
 * Runs the actions of a file op and returns one result per output. An action whose input is the previous action's tree changes
 * that same tree. A tree is committed only if it is an output or is used more than once.
 * @throws {VarveError} `invalid-argument` if an index of the op is out of range; else as `applyFileAction`.
 */
export async function runFileOp<R>(
  op: FileOp,
  inputs: readonly R[],
  host: FileOpHost<R>,
  signal?: AbortSignal,
): Promise<readonly R[]> {
  const outputs = checkIndexes(op, inputs.length);
  await using run = new Run(op, inputs, host, signal);
  for (const action of op.actions) await run.act(action);
  return outputs.map((action) => run.result(inputs.length + action));
}

/** The outcome of an action: a tree that the next action changes further, or a committed result. */
type Outcome<R> =
  | { readonly kind: "open"; readonly tree: ChangingTree<R> }
  | { readonly kind: "result"; readonly result: R };

class Run<R> implements AsyncDisposable {
  readonly #op: FileOp;
  readonly #inputs: readonly R[];
  readonly #host: FileOpHost<R>;
  readonly #signal: AbortSignal | undefined;
  readonly #outcomes: Outcome<R>[] = [];
  readonly #trees = new AsyncDisposableStack();

  constructor(op: FileOp, inputs: readonly R[], host: FileOpHost<R>, signal: AbortSignal | undefined) {
    this.#op = op;
    this.#inputs = inputs;
    this.#host = host;
    this.#signal = signal;
  }

  /** Runs the next action. */
  async act(action: FileAction): Promise<void> {
    const index = this.#inputs.length + this.#outcomes.length;
    await using reading = new AsyncDisposableStack();
    const treeOf: TreeOf = async (input) => (await this.#read(input, reading))?.path;
    const source = await this.#read(action.secondaryInput, reading);
    const tree = await this.#treeToChange(action);
    try {
      await applyFileAction(action, { target: tree.path, source, treeOf, signal: this.#signal });
    } catch (error) {
      await this.#host.failed?.(this.#outcomes.length, this.#treesOf(action, tree));
      throw error;
    }
    const open = action.output === SKIP_OUTPUT && uses(this.#op, index) < 2;
    this.#outcomes.push(open ? { kind: "open", tree } : { kind: "result", result: await tree.commit() });
  }

  /** Returns the trees that a failed action used and that have not been committed, by the numbers of their actions. */
  #treesOf({ secondaryInput }: FileAction, own: ChangingTree<R>): ReadonlyMap<number, ChangingTree<R>> {
    const trees = new Map([[this.#outcomes.length, own]]);
    const other = this.#outcome(secondaryInput);
    if (other?.kind === "open" && other.tree !== own) trees.set(secondaryInput - this.#inputs.length, other.tree);
    return trees;
  }

  /** Returns the result at an index of the op: an input, or the result of an action. */
  result(index: number): R {
    const outcome = this.#outcome(index);
    if (outcome?.kind === "result") return outcome.result;
    throw new VarveError("internal", `Cannot change files: index ${index} has no result`);
  }

  #outcome(index: number): Outcome<R> | undefined {
    const input = this.#inputs[index];
    if (input !== undefined) return { kind: "result", result: input };
    return this.#outcomes[index - this.#inputs.length];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#trees.disposeAsync();
  }

  /** Returns the tree that an action changes: its input's open tree, or a new one. */
  async #treeToChange(action: FileAction): Promise<ChangingTree<R>> {
    const input = this.#outcome(action.input);
    if (input?.kind === "open") return input.tree;
    const base = action.input === EMPTY ? undefined : this.result(action.input);
    return this.#trees.use(await this.#host.change(base, action));
  }

  async #read(index: number, stack: AsyncDisposableStack): Promise<SourceTree | undefined> {
    if (index === EMPTY) return undefined;
    const outcome = this.#outcome(index);
    if (outcome?.kind === "open") return { path: outcome.tree.path };
    return stack.use(await this.#host.read(this.result(index))).tree;
  }
}

/** Counts how often actions use an index: as the tree to change, as the source, or to look up an owner. */
function uses({ actions }: FileOp, index: number): number {
  return actions.flatMap(indexesOf).filter((used) => used === index).length;
}

function indexesOf(action: FileAction): number[] {
  const owner = action.kind === "rm" ? undefined : action.owner;
  const named = (ref: UserRef | undefined): number[] => (ref?.kind === "name" ? [ref.input] : []);
  return [action.input, action.secondaryInput, ...named(owner?.user), ...named(owner?.group)];
}

/** Returns the index of each output's action, in the order of the outputs. */
function checkIndexes({ actions }: FileOp, inputs: number): number[] {
  const outputs = new Map<number, number>();
  for (const [at, action] of actions.entries()) {
    for (const index of indexesOf(action)) {
      if (index < EMPTY || index >= inputs + at) throw malformed(`action ${at} uses ${index}, which is out of range`);
    }
    if (action.output === SKIP_OUTPUT) continue;
    if (outputs.has(action.output)) throw malformed(`output ${action.output} is made twice`);
    outputs.set(action.output, at);
  }
  if (outputs.size === 0) throw malformed("it has no output");
  return Array.from({ length: outputs.size }, (_, output) => {
    const action = outputs.get(output);
    if (action === undefined) throw malformed(`output ${output} is missing`);
    return action;
  });
}

function malformed(why: string): VarveError {
  return new VarveError("invalid-argument", `Cannot change files: ${why}`);
}
