import type { CaseOutcome } from "./build-case.ts";

/** Where a case comes out in another way, and why. */
export interface Difference {
  /** What is not compared: the words of the stream, or the text of the history. */
  readonly part: "stream" | "history";
  readonly reason: string;
}

const HEALTHCHECK: Difference = {
  part: "history",
  reason:
    "every version of Docker writes this text in its own way; ours quotes words, as 20.10 to 29.4, so that it is read in one way only",
};

const INSIDE: Difference = { part: "stream", reason: "the daemon names the path within its own folder" };

/** By the case's name; `README.md` has those that no case shows. */
export const DIFFERENCES: ReadonlyMap<string, Difference> = new Map<string, Difference>([
  ["healthcheck", HEALTHCHECK],
  ["healthcheck exec", HEALTHCHECK],
  ["healthcheck none", HEALTHCHECK],
  ["healthcheck again", HEALTHCHECK],
  ["run of what is not there", { part: "stream", reason: "the runtime's words: crun's here, runc's there" }],
  ["run as an unknown user", { part: "stream", reason: "our own words for a user the image does not have" }],
  ["volume over a file", INSIDE],
  ["volume over a link", INSIDE],
  ["volume under a file", INSIDE],
  ["volume that becomes a file", INSIDE],
  ["image that is not there", { part: "stream", reason: "our own words for a registry that does not answer" }],
]);

/** An outcome less what is known to differ. */
export function without(outcome: CaseOutcome, part: Difference["part"] | undefined): CaseOutcome {
  if (part === undefined) return outcome;
  if (part === "stream") return { ...outcome, stream: [] };
  return { ...outcome, image: outcome.image && { ...outcome.image, history: [] } };
}
