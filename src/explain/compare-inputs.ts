import type { Digest } from "../core/index.ts";
import { compareParts } from "./compare-parts.ts";
import type { InputFacts, StepFacts } from "./facts.ts";
import type { StoredFacts, StoredInput } from "./facts-codec.ts";
import { type ListComparison, compareLists } from "./files/compare.ts";
import type { FileList } from "./files/list.ts";
import { placeOf } from "./place.ts";
import { type Change, MAX_CHANGES, type Reason } from "./reason.ts";
import { rootReason } from "./roots.ts";
import { shownSource } from "./source.ts";
import type { KnownStep, KnownSteps } from "./known-steps.ts";

export interface InputContext {
  readonly table: KnownSteps;
  readonly reasons: ReadonlyMap<Digest, Reason>;
  /** The earlier run to compare with. */
  readonly known: Pick<KnownStep, "facts" | "isPruned">;
  readonly listOf: (input: number) => FileList | undefined;
  /** Why one result of a step is another than an earlier one, by the ids of both: many paths lead to the same pair. */
  readonly causes: Map<string, Reason | undefined>;
}

export interface InputComparison {
  readonly changes: readonly Change[];
  /** False if an input has little in common with that of the earlier run, unless both runs are based on the same result of a step. */
  readonly isRelated: boolean;
}

const SAME: InputComparison = { changes: [], isRelated: true };

/** Returns what differs between the inputs of a step and those of an earlier run. */
export function compareInputs({ inputs }: StepFacts, context: InputContext): InputComparison {
  const old = context.known.facts.inputs;
  const compared = inputs.map((input, index) => compareInput(input, old[index], index, context));
  const removed = old.slice(inputs.length).map((input): Change => ({
    kind: "option",
    name: `input ${input.name}`,
    before: "used",
  }));
  const isOnSameStep =
    inputs[0]?.kind === "step" && old[0] !== undefined && isSameResult(old[0], inputs[0], context.table);
  return {
    changes: [...compared.flatMap(({ changes }) => changes), ...removed],
    isRelated: (isOnSameStep || compared.every(({ isRelated }) => isRelated)) && inputs.length === old.length,
  };
}

function compareInput(
  after: InputFacts,
  before: StoredInput | undefined,
  index: number,
  context: InputContext,
): InputComparison {
  if (before === undefined)
    return { changes: [{ kind: "option", name: `input ${after.name}`, after: "used" }], isRelated: false };
  if (isSame(before, after, context.table)) return SAME;
  const { known, reasons } = context;
  const cause = after.kind === "step" ? reasons.get(after.vertex) : undefined;
  // Where the result of a step was removed, those of the steps that it was made from were removed too.
  if (known.isPruned && cause?.kind === "pruned") return SAME;
  const files = after.content === undefined ? undefined : filesOf(before, index, context);
  if (after.kind === "context" && files !== undefined) return { changes: files.changes, isRelated: files.isRelated };
  if (after.kind === "source") return { changes: sourceChanges(before, after, files), isRelated: true };
  const found = files?.changes ?? [];
  if (after.kind === "context")
    return {
      changes: [{ kind: "source", name: after.name, before: before.content ?? "", after: after.content ?? "" }],
      isRelated: false,
    };
  const [text, oldText] = [textOf(after.name), textOf(before.name)];
  if (text !== oldText && found.length === 0 && (cause === undefined || cause.kind === "first"))
    return { changes: [{ kind: "option", name: "the step before", before: oldText, after: text }], isRelated: false };
  const step: Change = {
    kind: "step",
    name: after.name,
    cause: cause === undefined ? causeOf(before, after, context) : rootReason(cause),
    ...(before.result === undefined || after.result === undefined ? {} : { results: [before.result, after.result] }),
    files: found.slice(0, MAX_CHANGES),
    total: found.length,
  };
  // The same step before, whose change is known.
  const isSameStep = files === undefined && text === oldText && cause?.kind === "changed";
  return { changes: [step], isRelated: isSameStep || (files?.isRelated === true && cause?.kind !== "first") };
}

/** Returns the text of an instruction from the name of its vertex. */
function textOf(name: string): string {
  return placeOf(name)?.text ?? name;
}

/** True if an input is the same as before: by its content, by the result of its step, or by what was fetched. */
function isSame(before: StoredInput, after: InputFacts, table: KnownSteps): boolean {
  if (after.content !== undefined && after.content === before.content) return true;
  if (after.kind === "source" && after.keys.some((key) => before.keys.includes(key))) return true;
  return isSameResult(before, after, table);
}

function isSameResult({ result: a }: StoredInput, { result: b }: StoredInput, table: KnownSteps): boolean {
  return a !== undefined && b !== undefined && table.isSameResult(a, b);
}

function filesOf(before: StoredInput, index: number, { table, listOf }: InputContext): ListComparison | undefined {
  const old = before.list === undefined ? undefined : table.list(before.list);
  const now = old === undefined ? undefined : listOf(index);
  return old === undefined || now === undefined ? undefined : compareLists(old, now);
}

function sourceChanges(before: StoredInput, after: StoredInput, files: ListComparison | undefined): Change[] {
  const [old, now] = [shownSource(before), shownSource(after)];
  if (old.name !== now.name) return [{ kind: "option", name: "source", before: old.name, after: now.name }];
  if (old.version === now.version && files !== undefined && files.changes.length > 0) return [...files.changes];
  return [{ kind: "source", name: now.name, before: old.version, after: now.version }];
}

/** Maximum number of steps that are followed back. */
const MAX_DEPTH = 32;

/** Returns why the result of an input's step is another one, from what is recorded of the steps that made both results. */
function causeOf(
  before: Pick<StoredInput, "result">,
  after: Pick<StoredInput, "result">,
  context: StoredContext,
  depth = 0,
): Reason | undefined {
  if (before.result === undefined || after.result === undefined || depth > MAX_DEPTH) return undefined;
  const pair = `${before.result} ${after.result}`;
  if (!context.causes.has(pair)) context.causes.set(pair, storedCause(before.result, after.result, context, depth));
  return context.causes.get(pair);
}

type StoredContext = Pick<InputContext, "table" | "causes">;

function storedCause(before: string, after: string, context: StoredContext, depth: number): Reason | undefined {
  const [old, now] = [before, after].map((result) => context.table.ofResult(result));
  if (old === undefined || now === undefined) return undefined;
  const changes = [...compareParts(old.facts, now.facts), ...storedChanges(old.facts, now.facts, context, depth)];
  return changes.length === 0 ? undefined : rootReason({ kind: "changed", changes, total: changes.length });
}

function storedChanges(before: StoredFacts, after: StoredFacts, context: StoredContext, depth: number): Change[] {
  const { table } = context;
  return after.inputs.flatMap((input, index): Change[] => {
    const old = before.inputs[index];
    if (old === undefined || (input.content !== undefined && input.content === old.content)) return [];
    if (isSameResult(old, input, table)) return [];
    const lists = [old, input].map(({ list }) => (list === undefined ? undefined : table.list(list)));
    if (input.kind === "context" && lists[0] !== undefined && lists[1] !== undefined)
      return [...compareLists(lists[0], lists[1]).changes];
    if (input.kind === "source")
      return input.keys.some((key) => old.keys.includes(key)) ? [] : sourceChanges(old, input, undefined);
    const cause = causeOf(old, input, context, depth + 1);
    return [{ kind: "step", name: input.name, ...(cause === undefined ? {} : { cause }), files: [], total: 0 }];
  });
}
