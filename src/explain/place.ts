/** Where an instruction is in a Dockerfile, as the name of its vertex says. */
export interface Place {
  /** The platform that the stage is built for, if the build has several. Empty otherwise. */
  readonly platform: string;
  /** The stage's name, such as `build` or `stage-1`. Empty in a Dockerfile with one unnamed stage. */
  readonly stage: string;
  /** The number of the step in its stage, from 1. */
  readonly step: number;
  /** The text after the brackets: `RUN npm ci`. */
  readonly text: string;
}

const NAME = /^\[(.*?) *(\d{1,6})\/\d{1,6}\] (.*)$/s;

/**
 * Reads the place from a vertex's name, such as `[linux/arm64 build 2/5] RUN npm ci`. Undefined for a vertex that is no instruction.
 *
 * @example
 * placeOf("[build 2/5] RUN npm ci"); // { platform: "", stage: "build", step: 2, text: "RUN npm ci" }
 */
export function placeOf(name: string): Place | undefined {
  const [, head = "", step = "", text = ""] = NAME.exec(name) ?? [];
  if (step === "") return undefined;
  const [first = "", ...rest] = head.split(" ");
  const hasPlatform = first.includes("/");
  return {
    platform: hasPlatform ? first : "",
    stage: hasPlatform ? rest.join(" ") : head,
    step: Number(step),
    text,
  };
}
