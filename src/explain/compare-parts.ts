import type { KeyDigest } from "../solver/index.ts";
import type { Part, StepFacts } from "./facts.ts";
import type { Change } from "./reason.ts";
import { isDifferent, isIncomparable, isSealed } from "./sealer.ts";

type Named = Pick<StepFacts, "instruction" | "parts">;

/**
 * Returns what differs between two steps besides their inputs. What follows from a build argument, or from another instruction, is left
 * out.
 */
export function compareParts(before: Named, after: Named): Change[] {
  const variables = variableChanges(before, after);
  if (before.instruction !== after.instruction)
    return [{ kind: "instruction", before: before.instruction, after: after.instruction }, ...variables];
  const options = optionChanges(before, after);
  const isExpanded = variables.some((change) => change.kind === "variable" && change.of === "ARG");
  // A build argument in the text of the instruction changes the command or the paths that it stands in.
  return isExpanded ? [...variables, ...options.filter(({ name }) => isOfBuild(name))] : [...variables, ...options];
}

type Compared = Named & Pick<StepFacts, "op">;

/**
 * Returns a change for values that cannot be compared because they are sealed with different keys, if the op's digest says that one of
 * them differs. `parts` are the changes that are known, `opWith`: see `StepProbe`.
 */
export function hiddenChanges(
  before: Compared,
  after: Compared,
  parts: readonly Change[],
  opWith: ((variables: readonly Part[]) => KeyDigest | undefined) | undefined,
): Change[] {
  const names = incomparable(before, after);
  if (names.length === 0 || before.op === after.op || !parts.every(({ kind }) => kind === "variable")) return [];
  const expected = parts.length === 0 ? after.op : opWith?.(before.parts);
  if (expected === undefined || expected === before.op) return [];
  const of = before.parts.some(({ kind, name }) => kind === "arg" && names.includes(name)) ? "ARG" : "ENV";
  return [{ kind: "variable", of, name: names.join(" or "), hidden: true }];
}

function incomparable({ parts: old }: Named, { parts: now }: Named): string[] {
  const found = (["arg", "env"] as const).flatMap((kind) => {
    const [before, after] = [valuesOf(old, kind), valuesOf(now, kind)];
    return [...before].flatMap(([name, value]) => (isIncomparable(value, after.get(name) ?? "") ? [name] : []));
  });
  return [...new Set(found)];
}

/** Options that no text of an instruction sets. */
const OF_BUILD = new Set(["platform", "network", "security", "SOURCE_DATE_EPOCH", "cgroup parent", "hostname"]);

function isOfBuild(name: string): boolean {
  return OF_BUILD.has(name) || name.startsWith("ulimit ") || name.startsWith("host ");
}

function variableChanges(before: Named, after: Named): Change[] {
  const args = changedNames(before, after, "arg");
  const env = changedNames(before, after, "env").filter(({ name }) => !args.some((arg) => arg.name === name));
  const argNames = new Set([before, after].flatMap(({ parts }) => namesOf(parts, "arg")));
  return [...args, ...env].map(({ name, before: old, after: now, kind }): Change => {
    const hidden = [old, now].some((value) => value !== undefined && isSealed(value));
    return {
      kind: "variable",
      of: kind === "arg" || argNames.has(name) ? "ARG" : "ENV",
      name,
      hidden,
      ...(hidden ? {} : { before: old, after: now }),
    };
  });
}

type OptionChange = Extract<Change, { readonly kind: "option" }>;

function optionChanges(before: Named, after: Named): OptionChange[] {
  const commands = changedNames(before, after, "command").map((change) => ({ ...change, name: "command" }));
  return [...changedNames(before, after, "option"), ...commands].map((change): OptionChange => ({
    kind: "option",
    name: change.name,
    before: change.before,
    after: change.after,
  }));
}

interface ValueChange {
  readonly kind: Part["kind"];
  readonly name: string;
  readonly before: string | undefined;
  readonly after: string | undefined;
}

function changedNames({ parts: old }: Named, { parts: now }: Named, kind: Part["kind"]): ValueChange[] {
  const [before, after] = [valuesOf(old, kind), valuesOf(now, kind)];
  const names = new Set([...before.keys(), ...after.keys()]);
  return [...names].flatMap((name): ValueChange[] => {
    const [a, b] = [before.get(name), after.get(name)];
    const isSame = a === b || (a !== undefined && b !== undefined && !isDifferent(a, b));
    return isSame ? [] : [{ kind, name, before: a, after: b }];
  });
}

function valuesOf(parts: readonly Part[], kind: Part["kind"]): ReadonlyMap<string, string> {
  return new Map(parts.filter((part) => part.kind === kind).map(({ name, value }) => [name, value]));
}

function namesOf(parts: readonly Part[], kind: Part["kind"]): string[] {
  return parts.filter((part) => part.kind === kind).map(({ name }) => name);
}
