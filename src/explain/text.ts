import type { Change, FileAspect, FileChange, Reason } from "./reason.ts";

/** Maximum number of changes that a short text names. */
const NAMED = 3;
/** Maximum characters of a value in a short text. */
const MAX_VALUE = 60;

export interface TextOptions {
  /** Names every change, one a line, and the steps that changes come from. Default: one line with the first few. */
  readonly full?: boolean | undefined;
  /** Proposes flags of `varve build` that would help. Default: true. */
  readonly hints?: boolean | undefined;
}

/**
 * Returns a reason as a text: `src/app.ts changed (content, 1,204 → 1,310 bytes)`. Returns an empty text where there is nothing that a
 * user does not know: for the first build of a step and for `--no-cache`, unless `full` is set.
 *
 * @example
 * reasonText({ kind: "expired", ttl: "7d" }); // "expired (ttl 7d)"
 */
export function reasonText(reason: Reason, { full = false, hints = true }: TextOptions = {}): string {
  switch (reason.kind) {
    case "first":
      if (!full) return "";
      return reason.stage === undefined
        ? "first build of this step"
        : `first build of this step (and of stage ${reason.stage})`;
    case "ignored":
      if (reason.by === "never") return "never cached (# varve: never)";
      return full ? "--no-cache" : "";
    case "expired":
      return `expired (ttl ${reason.ttl})`;
    case "pruned":
      return "its result was removed from the cache";
    case "trimmed":
      return `record is in ${reason.cache} without its result`;
    case "lost":
      if (reason.layer !== undefined)
        return `record is in ${reason.cache} but layer ${shortDigest(reason.layer, full ? Infinity : MAX_VALUE)} ${reason.detail}`;
      return `it is in ${reason.cache}, but could not be loaded: ${reason.detail}`;
    case "unusable":
      return `the cache ${reason.cache} was not used: ${reason.detail}`;
    case "unknown":
      return full ? "no recorded input differs" : "";
    case "changed":
      return full ? fullText(reason) : shortText(reason, hints);
  }
}

type Changed = Extract<Reason, { readonly kind: "changed" }>;

function shortText({ changes, total }: Changed, hints: boolean): string {
  const texts = [...new Set(changes.flatMap((change) => shortTexts(change)))].filter((text) => text !== "");
  const shown = texts.slice(0, NAMED);
  const more = texts.length - shown.length + total - changes.length;
  const hint =
    hints && changes.length === total && changes.every(isOfUmask) ? ["--normalize-context ignores this"] : [];
  return [...shown, ...(more > 0 ? [`${more} more`] : []), ...hint].join("; ");
}

/** True for a change of modes or owners that git does not record, such as another umask makes. */
function isOfUmask(change: Change): boolean {
  if (change.kind === "step" && change.files.length === 0)
    return change.cause?.kind === "changed" && change.cause.changes.every(isOfUmask);
  return (
    change.kind === "file" &&
    change.aspects.every(
      (aspect) =>
        aspect.kind === "owner" || (aspect.kind === "mode" && (aspect.before & 0o100) === (aspect.after & 0o100)),
    )
  );
}

/** What follows from changes of another step is told by these. */
function shortTexts(change: Change): string[] {
  const isOfStep = change.kind === "step" && change.files.length === 0 && change.cause?.kind === "changed";
  return isOfStep ? change.cause.changes.flatMap((one) => shortTexts(one)) : [changeText(change)];
}

function fullText({ changes, total }: Changed): string {
  const lines = changes.flatMap((change) => changeLines(change));
  return [...lines, ...(total > changes.length ? [`${total - changes.length} more`] : [])].join("\n");
}

/** The changes of another step are told in one line: they have lines of their own where that step is told. */
function changeLines(change: Change): string[] {
  if (change.kind !== "step") return [changeText(change, Infinity)];
  const { name, cause, files, total } = change;
  const why = cause === undefined ? "" : reasonText(cause) || reasonText(cause, { full: true });
  const more = total > files.length ? [`  ${total - files.length} more files`] : [];
  const head = `${resultOf(name)} differs${why === "" ? "" : `: ${why}`}`;
  return [head, ...files.map((file) => `  ${fileText(file)}`), ...more];
}

function changeText(change: Change, limit: number = MAX_VALUE): string {
  switch (change.kind) {
    case "file":
      return fileText(change);
    case "variable":
      if (change.hidden) return `${change.of} ${change.name} changed (value not shown)`;
      return `${change.of} ${change.name}${transition(change.before, change.after, limit)}`;
    case "instruction":
      return `instruction changed${transition(change.before, change.after, limit)}`;
    case "option":
      return `${change.name}${transition(change.before, change.after, limit)}`;
    case "secret":
      return `secret ${change.ids.join(" or ")} changed (value not shown)`;
    case "source":
      return `${change.name} moved${transition(shortDigest(change.before, limit), shortDigest(change.after, limit), limit)}`;
    case "step":
      return stepText(change);
  }
}

function resultOf(name: string): string {
  return name.endsWith("preparing inline document") ? "the inline document" : `the result of ${name}`;
}

function stepText({ name, cause, files, total }: Extract<Change, { readonly kind: "step" }>): string {
  const why = cause === undefined ? "" : reasonText(cause, { full: true });
  const ran = `${name} ran${why === "" ? "" : `: ${why}`}`;
  if (files.length === 0) return ran;
  const shown = files.slice(0, NAMED).map((file) => fileText(file));
  const more = total > shown.length ? ", …" : "";
  const what = `differs (${total} ${total === 1 ? "file" : "files"}: ${shown.join(", ")}${more})`;
  return cause === undefined || cause.kind === "changed" || cause.kind === "first"
    ? `${resultOf(name)} ${what}`
    : `${ran}, and its result ${what}`;
}

function transition(before: string | undefined, after: string | undefined, limit: number): string {
  if (before === undefined) return `: added${after === undefined ? "" : ` ${clip(after, limit)}`}`;
  if (after === undefined) return `: removed (was ${clip(before, limit)})`;
  return `: ${clip(before, limit)} → ${clip(after, limit)}`;
}

/** Shortens a digest, unless values are shown in full. */
function shortDigest(value: string, limit: number): string {
  return limit === Infinity ? value : value.replace(/^((?:\w+:)?[0-9a-f]{12})[0-9a-f]{20,}$/, "$1…");
}

function clip(value: string, limit: number): string {
  if (value === "") return '""';
  return value.length <= limit ? value : `${value.slice(0, limit - 1)}…`;
}

/** Returns a changed file as a text: `package.json: mode 0644 → 0664`. */
function fileText({ path, aspects }: FileChange): string {
  const [only, ...others] = aspects;
  if (only?.kind === "content") {
    const rest = others.map(aspectText);
    return `${path} changed (${[contentText(only), ...rest].join(", ")})`;
  }
  if (only?.kind === "added" || only?.kind === "removed") return `${path} ${only.kind}`;
  if (only?.kind === "renamed") return `${only.from} renamed to ${path}`;
  return `${path}: ${aspects.map(aspectText).join(", ")}`;
}

function contentText({ before, after }: Extract<FileAspect, { readonly kind: "content" }>): string {
  if (before === after) return `content, ${count(after)} bytes`;
  return `content, ${count(before)} → ${count(after)} bytes`;
}

function aspectText(aspect: FileAspect): string {
  switch (aspect.kind) {
    case "added":
    case "removed":
      return aspect.kind;
    case "content":
      return contentText(aspect);
    case "mode":
      return `mode ${octal(aspect.before)} → ${octal(aspect.after)}`;
    case "owner":
    case "type":
      return `${aspect.kind} ${aspect.before} → ${aspect.after}`;
    case "target":
      return `link ${aspect.before} → ${aspect.after}`;
    case "renamed":
      return `renamed from ${aspect.from}`;
    case "xattr":
      return `extended attributes ${aspect.names.join(", ")}`;
  }
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, "0");
}

function count(bytes: number): string {
  return bytes.toLocaleString("en-US");
}
