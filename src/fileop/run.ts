import { VarveError } from "../core/index.ts";
import { EMPTY, type FileAction, type FileOp, SKIP_OUTPUT, type UserRef } from "../llb/index.ts";
import { applyFileAction } from "./apply.ts";
import type { TreeOf } from "./owner.ts";
import type { SourceTree } from "./source-tree.ts";

/** A tree being changed on top of a result. Disposing of it throws the changes away unless they were committed. */
export interface ChangingTree<R> extends AsyncDisposable {
  /** Where it is mounted, writable. */
  readonly path: string;
  /** Makes the tree a result; it can no longer be changed. */
  commit(): Promise<R>;
}

/** A result's tree, open for reading until it is disposed of. */
export interface ReadableTree extends AsyncDisposable {
  readonly tree: SourceTree;
}

/** What a file op needs of whoever keeps the results. */
export interface FileOpHost<R> {
  /** Starts a tree that is `base`, or empty. */
  change(base: R | undefined, action: FileAction): Promise<ChangingTree<R>>;
  read(result: R): Promise<ReadableTree>;
}

/**
 * Does the actions of a file op; returns a result for each output. An action that takes over the tree of the one before it
 * goes on in the same tree; only what is an output, or is used several times, is committed. Throws `invalid-argument` if the
 * indexes of the op make no sense.
 */
export async function runFileOp<R>(
  op: FileOp,
  inputs: readonly R[],
  host: FileOpHost<R>,
  signal?: AbortSignal,
): Promise<readonly R[]> {
  const outputs = checkIndexes(op, inputs.length);
  await using run = new Run(op, inputs, host, signal);
  for (let index = 0; index < op.actions.length; index += 1) await run.act(index);
  return outputs.map((action) => run.result(inputs.length + action) as R);
}

/** What is known of an action after it was done. */
type Done<R> =
  | { readonly kind: "open"; readonly tree: ChangingTree<R> }
  | { readonly kind: "result"; readonly result: R };

class Run<R> implements AsyncDisposable {
  readonly #op: FileOp;
  readonly #inputs: readonly R[];
  readonly #host: FileOpHost<R>;
  readonly #signal: AbortSignal | undefined;
  readonly #done: Done<R>[] = [];
  readonly #trees = new AsyncDisposableStack();

  constructor(op: FileOp, inputs: readonly R[], host: FileOpHost<R>, signal: AbortSignal | undefined) {
    this.#op = op;
    this.#inputs = inputs;
    this.#host = host;
    this.#signal = signal;
  }

  async act(index: number): Promise<void> {
    const action = this.#op.actions[index] as FileAction;
    await using reading = new AsyncDisposableStack();
    const treeOf: TreeOf = async (input) => (await this.#read(input, reading))?.path;
    const source = await this.#read(action.secondaryInput, reading);
    const tree = await this.#take(action);
    await applyFileAction(action, { target: tree.path, source, treeOf, signal: this.#signal });
    const kept = action.output === SKIP_OUTPUT && uses(this.#op, this.#inputs.length + index) < 2;
    this.#done[index] = kept ? { kind: "open", tree } : { kind: "result", result: await tree.commit() };
  }

  /** The result at an index of the op; undefined for an empty tree. */
  result(index: number): R | undefined {
    if (index < this.#inputs.length) return this.#inputs[index];
    const done = this.#done[index - this.#inputs.length];
    return done?.kind === "result" ? done.result : undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#trees.disposeAsync();
  }

  /** The tree an action changes: the one its input left open, or a new one. */
  async #take(action: FileAction): Promise<ChangingTree<R>> {
    const before = this.#done[action.input - this.#inputs.length];
    if (action.input >= this.#inputs.length && before?.kind === "open") return before.tree;
    const base = action.input === EMPTY ? undefined : this.result(action.input);
    return this.#trees.use(await this.#host.change(base, action));
  }

  async #read(index: number, stack: AsyncDisposableStack): Promise<SourceTree | undefined> {
    if (index === EMPTY) return undefined;
    const done = this.#done[index - this.#inputs.length];
    if (index >= this.#inputs.length && done?.kind === "open") return { path: done.tree.path };
    return stack.use(await this.#host.read(this.result(index) as R)).tree;
  }
}

/** How often actions use an index: as their tree, their source, or to look up an owner in. */
function uses({ actions }: FileOp, index: number): number {
  return actions.flatMap(indexesOf).filter((used) => used === index).length;
}

function indexesOf(action: FileAction): number[] {
  const owner = action.kind === "rm" ? undefined : action.owner;
  const named = (ref: UserRef | undefined): number[] => (ref?.kind === "name" ? [ref.input] : []);
  return [action.input, action.secondaryInput, ...named(owner?.user), ...named(owner?.group)];
}

/** The action of each output, in order. */
function checkIndexes({ actions }: FileOp, inputs: number): number[] {
  const outputs = new Map<number, number>();
  for (const [at, action] of actions.entries()) {
    for (const index of indexesOf(action)) {
      if (index < EMPTY || index >= inputs + at) throw malformed(`action ${at} uses ${index}, which is not there yet`);
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
