import { type OrderedJson, VarveError, compareBytes, digestOf, goJson } from "../../core/index.ts";
import type { ContentSelector } from "../../contenthash/index.ts";
import { basePath, hasGlob, joinPath } from "../../pattern/index.ts";
import { fileActionJson } from "./action-json.ts";
import type { InputKey, OpKey } from "./op-key.ts";
import type { FileAction, FileOp } from "../model/file-op.ts";
import { EMPTY } from "../model/op.ts";
import { dedupePaths, selectorDigest } from "./selectors.ts";

/**
 * Returns the cache key of a file op, as BuildKit computes it. It consists of the actions as JSON without their kinds, and of
 * their indexes unless those have the default order. The source path of a copy is cut to its last element: the input's
 * selector has the rest.
 */
export function fileKey(op: FileOp, inputs: number): OpKey {
  const actions = op.actions.map((action) => Buffer.from(goJson(actionJson(action, inputs))).toString("base64"));
  const indexes = op.actions.map(({ input, secondaryInput, output }) => [input, secondaryInput, output]);
  const json = goJson({
    Type: "buildkit.file.v0",
    Actions: actions,
    indexes: hasDefaultOrder(indexes) || indexes.length === 0 ? undefined : indexes,
  });
  return { digest: digestOf(json), inputs: inputKeys(op, inputs) };
}

/**
 * True for the order of indexes that all keys had before BuildKit added indexes to keys. It is possible only with two inputs
 * and at most two actions.
 */
function hasDefaultOrder(indexes: readonly (readonly number[])[]): boolean {
  const last = indexes.length - 1;
  return indexes.every(([input, secondary, output], index) => {
    const follows = index === 0 ? input === 0 : input === indexes.length + index - 1;
    return follows && (secondary === -1 || secondary === 1) && output === (index === last ? 0 : -1);
  });
}

function isRealInput(index: number, inputs: number): boolean {
  return index !== EMPTY && index < inputs;
}

function actionJson(action: FileAction, inputs: number): OrderedJson {
  if (action.kind !== "copy" || !isRealInput(action.secondaryInput, inputs)) return fileActionJson(action);
  return fileActionJson({ ...action, src: basePath(action.src) });
}

/** Returns what is read of each input. An input that is changed is read as a whole and has only a definition key. */
function inputKeys(op: FileOp, count: number): InputKey[] {
  const selectors = new Map<number, ContentSelector[]>();
  const changed = new Set<number>();
  for (const action of op.actions) {
    changed.add(action.input);
    for (const [input, selector] of readsOf(action, count))
      selectors.set(input, [...(selectors.get(input) ?? []), selector]);
  }
  for (const input of selectors.keys())
    if (input < 0 || input >= count)
      throw new VarveError("invalid-argument", `Cannot change files: an action names input ${input} of ${count}`);
  return Array.from({ length: count }, (_, input): InputKey => {
    const read = selectors.get(input);
    if (read === undefined || changed.has(input)) return { preload: true };
    const paths = read.map(({ path }) => path).sort((a, b) => compareBytes(b, a));
    return { selector: selectorDigest(paths), content: dedupeSelectors(read), preload: true };
  });
}

function plain(path: string, followLinks: boolean): ContentSelector {
  return { path, followLinks, wildcard: false, includePatterns: [], excludePatterns: [], requiredPaths: [] };
}

function* readsOf(action: FileAction, count: number): Generator<[input: number, ContentSelector]> {
  const owner = action.kind === "rm" || action.kind === "symlink" ? undefined : action.owner;
  if (owner?.user?.kind === "name") yield [owner.user.input, plain("/etc/passwd", true)];
  if (owner?.group?.kind === "name") yield [owner.group.input, plain("/etc/group", true)];
  if (action.kind !== "copy" || !isRealInput(action.secondaryInput, count)) return;
  yield [
    action.secondaryInput,
    {
      path: action.src,
      wildcard: action.allowWildcard && hasGlob(action.src),
      followLinks: action.followSymlink,
      includePatterns: action.includePatterns,
      excludePatterns: action.excludePatterns,
      requiredPaths: action.requiredPaths,
    },
  ];
}

function isFiltered(selector: ContentSelector): boolean {
  return selector.wildcard || selector.includePatterns.length > 0 || selector.excludePatterns.length > 0;
}

/** Returns unfiltered paths without those below another one, and all filtered selectors, sorted by path. */
function dedupeSelectors(selectors: readonly ContentSelector[]): ContentSelector[] {
  const pathsOf = (follow: boolean): string[] =>
    selectors.filter((selector) => !isFiltered(selector) && selector.followLinks === follow).map(({ path }) => path);
  const distinct = [
    ...dedupePaths(pathsOf(false)).map((path) => plain(path, false)),
    ...dedupePaths(pathsOf(true)).map((path) => plain(path, true)),
    ...selectors.filter(isFiltered),
  ];
  const sorted = distinct.sort((a, b) => compareBytes(a.path, b.path));
  return sorted.map((selector) => ({ ...selector, path: contentPath(selector.path) }));
}

/** Content checksums take absolute paths. */
function contentPath(path: string): string {
  return joinPath("/", path);
}
