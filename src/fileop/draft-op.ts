import { throwIfAborted } from "../core/index.ts";
import { type CopyAction, EMPTY, type FileAction, type FileOp, SKIP_OUTPUT } from "../llb/index.ts";
import { type Draft, type DraftFile, draftArchive } from "../layer/index.ts";
import type { ByteString } from "../linux/index.ts";
import type { Bytes } from "../io/index.ts";
import { copy } from "./copy.ts";
import { DraftTarget } from "./draft-target.ts";
import { resolveOwner } from "./owner.ts";
import type { FileOpHost } from "./run.ts";
import type { SourceTree } from "./source-tree.ts";
import { SourceView } from "./source-view.ts";

/** The layer that a file op would make. Its trees are open until it is disposed of. */
export interface DraftedLayer extends AsyncDisposable {
  readonly draft: Draft;
  /** Returns the input that a file of the draft is made of, and the path in its tree. Undefined for a new directory. */
  origin(file: DraftFile): FileOrigin | undefined;
  /** Returns the layer as an uncompressed archive. Reads the copied files. Call it once. */
  archive(signal: AbortSignal | undefined): Bytes;
}

export interface FileOrigin {
  /** The index of the input. */
  readonly input: number;
  /** Relative to the root of its tree, which is "". */
  readonly path: ByteString;
}

/** The copies of an op that `draftFileOp` can describe: one after the other on the same tree, which is the only output. */
interface Copies {
  /** The index of the input that is changed, or `EMPTY`. */
  readonly base: number;
  readonly actions: readonly CopyAction[];
  /** The inputs that the actions copy from. */
  readonly sources: readonly number[];
}

/**
 * Describes the layer that a file op would make on top of its base, so that its archive can be written without copying files.
 * The archive is the same as if the op had run. Returns undefined for an op that does more than copy. Describes at most `most` files.
 *
 * @throws {VarveError} any error: then run the op, which succeeds or fails with the right error.
 */
export async function draftFileOp<R>(
  op: FileOp,
  inputs: readonly R[],
  host: Pick<FileOpHost<R>, "read">,
  signal?: AbortSignal,
  most?: number,
): Promise<DraftedLayer | undefined> {
  const copies = copiesOf(op, inputs.length);
  if (copies === undefined) return undefined;
  await using stack = new AsyncDisposableStack();
  const opened = new Map<number, SourceTree>();
  const origins = new Map<string, number>();
  const treeAt = async (index: number): Promise<SourceTree | undefined> => {
    const input = inputs[index];
    const known = opened.get(index);
    if (known !== undefined || input === undefined) return known;
    const { tree } = stack.use(await host.read(input));
    opened.set(index, tree);
    return tree;
  };
  const target = stack.use(new DraftTarget((await treeAt(copies.base))?.path, most));
  for (const [at, action] of copies.actions.entries()) {
    throwIfAborted(signal, `copy ${action.src} to ${action.dest}`);
    const source = await treeAt(copies.sources[at] ?? EMPTY);
    if (source === undefined) return undefined;
    const owner = await resolveOwner(action.owner, async (index) => (await treeAt(index))?.path);
    const view = stack.use(new SourceView(source));
    origins.set(view.prefix, copies.sources[at] ?? EMPTY);
    await copy(target, view, action, owner, signal);
  }
  const draft = target.draft();
  if (draft.lower !== undefined) origins.set(draft.lower, copies.base);
  return drafted(draft, origins, stack.move());
}

function drafted(draft: Draft, origins: ReadonlyMap<string, number>, trees: AsyncDisposableStack): DraftedLayer {
  return {
    draft,
    origin: ({ source = "" }) => {
      for (const [prefix, input] of origins)
        if (source === prefix || source.startsWith(`${prefix}/`))
          return { input, path: source.slice(prefix.length + 1) };
      return undefined;
    },
    archive: (signal) => draftArchive(draft, signal),
    [Symbol.asyncDispose]: () => trees.disposeAsync(),
  };
}

function copiesOf({ actions }: FileOp, inputs: number): Copies | undefined {
  const copies: CopyAction[] = [];
  for (const [at, action] of actions.entries()) {
    if (action.kind !== "copy" || !isOnInputs(action, inputs)) return undefined;
    const isLast = at === actions.length - 1;
    if (at > 0 && action.input !== inputs + at - 1) return undefined;
    if ((action.output === SKIP_OUTPUT) === isLast) return undefined;
    copies.push(action);
  }
  const base = actions[0]?.input;
  if (base === undefined || base >= inputs) return undefined;
  return { base, actions: copies, sources: actions.map(({ secondaryInput }) => secondaryInput) };
}

/** Returns whether a copy reads inputs of the op only, and not the tree that it changes. */
function isOnInputs(action: FileAction & { readonly kind: "copy" }, inputs: number): boolean {
  const named = [action.owner?.user, action.owner?.group].flatMap((ref) => (ref?.kind === "name" ? [ref.input] : []));
  return [action.secondaryInput, ...named].every((index) => index >= 0 && index < inputs);
}
