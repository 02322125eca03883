import type { Reason, Sealer } from "../../../explain/index.ts";
import type { ClassicCache } from "../../cache.ts";

type NamedMiss = ReturnType<ClassicCache["sourceMisses"]>[number];
type SourceMiss = NonNullable<NamedMiss["why"]>;

/** Returns why the cache sources have nothing for a step, as the one says that comes nearest to it; undefined without cache sources. */
export function sourceReason(misses: readonly NamedMiss[], sealer: Sealer): Reason | undefined {
  const [nearest] = misses.toSorted((a, b) => (b.why?.n ?? -1) - (a.why?.n ?? -1));
  if (nearest === undefined) return undefined;
  const { name, why } = nearest;
  const detail =
    why === undefined ? "it is not in the store, and the classic builder pulls no caches" : textOf(why, sealer);
  return { kind: "unusable", cache: name, detail };
}

function textOf(why: SourceMiss, sealer: Sealer): string {
  const entry = `entry ${why.n + 1} of its history`;
  switch (why.kind) {
    case "shorter":
      return `its history ends before this step, after ${why.n} entries`;
    case "other-platform":
      return `it is for ${why.before}, not ${why.after}`;
    case "ambiguous":
      return `the text of ${entry} may be that of another step`;
    case "no-layer":
      return `layer ${why.layer ?? ""} of ${entry} is not in the store`;
    case "other-base":
    case "other-step": {
      const [before, after] = [why.before, why.after].map((text) => historyText(text, sealer));
      return before === after
        ? `${entry}, ${before}, was made by another build`
        : `${entry} is ${before}, not ${after}`;
    }
  }
}

const NO_OP = /^\S+(?: \S+)*? #\(nop\) +/s;
const SHELL = /^\/bin\/sh -c /;
const ARGUMENTS = /^\|\d{1,6} .*?(?=\/bin\/sh -c )/s;
const SETTING = /([\w.-]+)=(\S+)/g;
/** The hash of what COPY or ADD read, whose beginning is enough. */
const HASH = /\b([0-9a-f]{12})[0-9a-f]{52}\b/g;
/** Maximum characters of a text that is shown. */
const MAX_TEXT = 200;

/** Returns the text of an entry as the instruction was written, without the values of build arguments and of credentials. */
export function historyText(text: string, sealer: Sealer): string {
  if (text === "") return "empty";
  const isMetadata = NO_OP.test(text);
  const plain = isMetadata ? text.replace(NO_OP, "") : `RUN ${text.replace(ARGUMENTS, "").replace(SHELL, "")}`;
  const masked = sealer.mask(withoutCredentials(plain, sealer)).replaceAll(HASH, "$1…").trimEnd();
  return masked.length <= MAX_TEXT ? masked : `${masked.slice(0, MAX_TEXT - 1)}…`;
}

/** Ends a text at the first value whose name is that of a credential: it does not say where the value ends. */
function withoutCredentials(text: string, sealer: Sealer): string {
  for (const { 1: name = "", 2: value = "", index } of text.matchAll(SETTING))
    if (sealer.value(name, value) !== value) return `${text.slice(0, index)}${name}=***`;
  return text;
}
