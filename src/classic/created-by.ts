import type { LocalImage } from "../image/index.ts";
import type { ProbeStep } from "./types.ts";

const COMMENT = "#(nop) ";
const DEFAULT_SHELL: readonly string[] = ["/bin/sh", "-c"];

/** The text a step has in histories. */
export function createdBy(step: ProbeStep): string {
  return (step.config.Cmd ?? []).join(" ");
}

/** Everything of `wanted` that the text speaks of is in `found`. */
function bornOut(text: string, wanted: Iterable<string>, found: ReadonlySet<string>): boolean {
  return [...wanted].every((item) => !text.includes(item) || found.has(item));
}

/**
 * `ENV A=b C=d` is the text of one variable and of two, `VOLUME [/a /b]` that of one path and of two: what the source
 * itself ended up with has to agree. Other instructions either have texts that are read in one way, or change nothing that
 * a later step could see; and their config is never the source's.
 */
function commentIsCertain(text: string, step: ProbeStep, source: LocalImage): boolean {
  const config = source.config.config ?? {};
  if (/^ENV \S*\s/.test(text)) return bornOut(text, step.runConfig.Env ?? [], new Set(config.Env));
  if (/^VOLUME \[\S*\s/.test(text)) return bornOut(text, step.runConfig.Volumes ?? [], config.Volumes ?? new Set());
  return true;
}

/** Without the `|N` and N build arguments before it; undefined if an argument has a space and could be two. */
function withoutArguments(words: readonly string[]): readonly string[] | undefined {
  const count = /^\|(\d+)$/.exec(words[0] ?? "")?.[1];
  if (count === undefined) return words;
  const rest = words.slice(1 + Number(count));
  return words.slice(1, 1 + Number(count)).some((word) => /\s/.test(word)) ? undefined : rest;
}

/**
 * Whether the text of a step can only have come from this very step. Words joined by spaces do not tell where one ends:
 * `RUN ["a", "b c"]` and `RUN ["a", "b", "c"]` have one text. A command of a shell is taken for what it looks like.
 */
export function isCertain(step: ProbeStep, source: LocalImage): boolean {
  const words = withoutArguments(step.config.Cmd ?? []);
  if (words === undefined) return false;
  const shell = step.runConfig.Shell ?? [];
  const prefix = shell.length === 0 ? DEFAULT_SHELL : shell;
  const [body, ...more] = words.slice(prefix.length);
  const byShell = prefix.every((word, index) => words[index] === word) && body !== undefined;
  if (!byShell) return words.length === 1 && !/\s/.test(words[0] ?? "");
  if (body === COMMENT) return more.length === 1 && commentIsCertain(more[0] ?? "", step, source);
  return more.length === 0;
}
