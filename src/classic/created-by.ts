import { DEFAULT_SHELL, type LocalImage } from "../image/index.ts";
import type { ProbeStep } from "./types.ts";

const COMMENT = "#(nop) ";

/** Returns the step's text in histories. */
export function createdBy(step: ProbeStep): string {
  return (step.config.Cmd ?? []).join(" ");
}

/** True if every item of `expected` that the text contains is in `actual`. */
function isConsistent(text: string, expected: Iterable<string>, actual: ReadonlySet<string>): boolean {
  return [...expected].every((item) => !text.includes(item) || actual.has(item));
}

/**
 * `ENV A=b C=d` is the text of one variable and also of two; `VOLUME [/a /b]` is the text of one path and of two. So the source's
 * final config has to agree. The texts of other instructions are unambiguous, or the instructions change nothing that a later
 * step uses; and a restored image never has the source's config.
 */
function isUnambiguousComment(text: string, step: ProbeStep, source: LocalImage): boolean {
  const config = source.config.config ?? {};
  if (/^ENV \S*\s/.test(text)) return isConsistent(text, step.runConfig.Env ?? [], new Set(config.Env));
  if (/^VOLUME \[\S*\s/.test(text))
    return isConsistent(text, step.runConfig.Volumes ?? [], config.Volumes ?? new Set());
  return true;
}

/** Removes the leading `|N` and its N build arguments. Undefined if an argument contains a space and could be two. */
function withoutArguments(words: readonly string[]): readonly string[] | undefined {
  const count = /^\|(\d+)$/.exec(words[0] ?? "")?.[1];
  if (count === undefined) return words;
  const rest = words.slice(1 + Number(count));
  return words.slice(1, 1 + Number(count)).some((word) => /\s/.test(word)) ? undefined : rest;
}

/**
 * True if only this step can have a history text like its own. The text joins words by spaces, so `RUN ["a", "b c"]` and
 * `RUN ["a", "b", "c"]` have the same text. A text that starts with the shell counts as a shell-form command.
 */
export function isUnambiguous(step: ProbeStep, source: LocalImage): boolean {
  const words = withoutArguments(step.config.Cmd ?? []);
  if (words === undefined) return false;
  const shell = step.runConfig.Shell ?? [];
  const prefix = shell.length === 0 ? DEFAULT_SHELL : shell;
  const [body, ...more] = words.slice(prefix.length);
  const isShellForm = prefix.every((word, index) => words[index] === word) && body !== undefined;
  if (!isShellForm) return words.length === 1 && !/\s/.test(words[0] ?? "");
  if (body === COMMENT) return more.length === 1 && isUnambiguousComment(more[0] ?? "", step, source);
  return more.length === 0;
}
