import { VarveError } from "../../core/index.ts";
import type { ExpansionBudget } from "./budget.ts";
import { fault } from "../source/fault.ts";

/** A step of a shell pattern: a character, `?` or `*`. Brackets have no meaning in patterns of `${…}`. */
type Step = { readonly kind: "char"; readonly char: string } | { readonly kind: "any" } | { readonly kind: "star" };

/** A match in a text. Positions are in code points. */
export interface Match {
  readonly start: number;
  readonly end: number;
}

function readEscape(runes: readonly string[], at: number): [step: Step, next: number] | undefined {
  const escaped = runes[at + 1];
  if (escaped === "}" || escaped === "/") return undefined;
  if (escaped === "*" || escaped === "?" || escaped === "\\") return [{ kind: "char", char: escaped }, at + 2];
  throw fault(`invalid escape '\\${escaped ?? ""}'`);
}

/** Parses a pattern. `\` escapes `*`, `?`, `\`, `}` and `/`, and is an error before any other character. */
function readPattern(pattern: string): Step[] {
  const runes = Array.from(pattern);
  const steps: Step[] = [];
  for (let at = 0; at < runes.length;) {
    const rune = runes[at] ?? "";
    const escape = rune === "\\" ? readEscape(runes, at) : undefined;
    if (escape !== undefined) {
      steps.push(escape[0]);
      at = escape[1];
      continue;
    }
    at++;
    if (rune === "*") steps.push({ kind: "star" });
    else if (rune === "?") steps.push({ kind: "any" });
    else if (rune !== "\\") steps.push({ kind: "char", char: rune });
  }
  return steps;
}

/** For each state ("before step i"), the leftmost start of a partial match that reached it. -1 means none. */
type Threads = number[];

function enter(threads: Threads, steps: readonly Step[], state: number, start: number): void {
  for (let i = state; ; i++) {
    const known = threads[i] ?? -1;
    if (known >= 0 && known <= start) return;
    threads[i] = start;
    if (steps[i]?.kind !== "star") return;
  }
}

function advance(threads: Threads, steps: readonly Step[], char: string): Threads {
  const next: Threads = Array.from({ length: steps.length + 1 }, () => -1);
  for (const [state, start] of threads.entries()) {
    const step = steps[state];
    if (start < 0 || step === undefined) continue;
    if (step.kind === "char" ? step.char === char : char !== "\n")
      enter(next, steps, step.kind === "star" ? state : state + 1, start);
  }
  return next;
}

interface Search {
  readonly budget: ExpansionBudget;
  readonly from: number;
  /** Find only matches that begin at `from`. */
  readonly anchored: boolean;
  /** Find the longest match, not the shortest. */
  readonly greedy: boolean;
}

/**
 * Returns the leftmost match. Simulates all states of the pattern at once, so the time is proportional to the length of the text
 * times that of the pattern. `*` and `?` match no newline.
 */
function find(
  steps: readonly Step[],
  text: readonly string[],
  { budget, from, anchored, greedy }: Search,
): Match | undefined {
  let threads: Threads = Array.from({ length: steps.length + 1 }, () => -1);
  let best: Match | undefined;
  for (let at = from; ; at++) {
    if (best === undefined && (at === from || !anchored)) enter(threads, steps, 0, at);
    const start = threads[steps.length] ?? -1;
    if (start >= 0 && (best === undefined || start <= best.start)) best = { start, end: at };
    if (best !== undefined && !greedy) return best;
    const alive = threads.some((thread) => thread >= 0 && (best === undefined || thread <= best.start));
    if (at >= text.length || (!alive && (anchored || best !== undefined))) return best;
    budget.spend(threads.length);
    threads = advance(threads, steps, text[at] ?? "");
  }
}

/** A value, a pattern to find in it, and the budget for that. */
export interface PatternUse {
  readonly pattern: string;
  readonly value: string;
  readonly budget: ExpansionBudget;
}

function withPattern<T>(
  { pattern, value, budget }: PatternUse,
  use: (steps: readonly Step[], text: readonly string[]) => T,
): T {
  budget.spend(pattern.length + value.length);
  try {
    return use(readPattern(pattern), Array.from(value));
  } catch (error) {
    if (error instanceof VarveError && error.code === "limit-exceeded") throw error;
    throw error instanceof Error ? fault(`invalid pattern (${pattern}) in substitution: ${error.message}`) : error;
  }
}

/** Returns `${value#pattern}`, or `${value##pattern}` if greedy. */
export function trimPrefix(of: PatternUse, greedy: boolean): string {
  return withPattern(of, (steps, text) => {
    const match = find(steps, text, { budget: of.budget, from: 0, anchored: true, greedy });
    return match === undefined ? of.value : text.slice(match.end).join("");
  });
}

/** Returns `${value%pattern}`, or `${value%%pattern}` if greedy, by removing a prefix of the reversed text. */
export function trimSuffix(of: PatternUse, greedy: boolean): string {
  return withPattern(of, (steps, text) => {
    const reversed = text.toReversed();
    const match = find(steps.toReversed(), reversed, { budget: of.budget, from: 0, anchored: true, greedy });
    return match === undefined ? of.value : reversed.slice(match.end).toReversed().join("");
  });
}

/** Expands a replacement like Go's `Regexp.Expand`: `$0` is the match, `$$` is a dollar, and other names are empty. */
function fillTemplate(template: string, matched: string): string {
  return template.replaceAll(
    /\$(?:\$|([\p{L}\p{Nd}_]+)|\{([\p{L}\p{Nd}_]+)\})/gu,
    (all, plain?: string, braced?: string) => {
      if (all === "$$") return "$";
      return Number(plain ?? braced) === 0 ? matched : "";
    },
  );
}

/** Returns `${value/pattern/replacement}`: replaces the leftmost, longest match. */
export function replaceFirst(of: PatternUse, replacement: string): string {
  return withPattern(of, (steps, text) => {
    const match = find(steps, text, { budget: of.budget, from: 0, anchored: false, greedy: true });
    if (match === undefined) return of.value;
    return text.slice(0, match.start).join("") + replacement + text.slice(match.end).join("");
  });
}

/** Returns `${value//pattern/replacement}`: replaces all matches from left to right. Ignores empty matches right after another. */
export function replaceAll(of: PatternUse, replacement: string): string {
  const { budget } = of;
  return withPattern(of, (steps, text) => {
    let result = "";
    let copied = 0;
    let lastEnd = -1;
    for (let from = 0; from <= text.length;) {
      const match = find(steps, text, { budget, from, anchored: false, greedy: true });
      if (match === undefined) break;
      const isEmpty = match.start === match.end;
      if (!isEmpty || match.start !== lastEnd) {
        const matched = text.slice(match.start, match.end).join("");
        budget.spend(replacement.length * (1 + matched.length));
        result += text.slice(copied, match.start).join("") + fillTemplate(replacement, matched);
        copied = match.end;
        lastEnd = match.end;
      }
      from = isEmpty ? match.end + 1 : match.end;
    }
    return result + text.slice(copied).join("");
  });
}
