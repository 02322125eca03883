import type { ContainerConfig, ImageRelations } from "../image/index.ts";
import type { Digest } from "../core/index.ts";
import { differingFields } from "./equal-configs.ts";
import type { ProbeStep } from "./types.ts";

/** An image that was built here on the same parent, by the same instruction, with another container config. */
export interface NearestChild {
  readonly id: Digest;
  readonly config: ContainerConfig;
  /** What differs. At least one. */
  readonly fields: readonly (keyof ContainerConfig)[];
}

/** The hash of what COPY or ADD read, in the text of a step. */
export const COPY_HASH: RegExp = /\b(?:file:|dir:|multi:)?[0-9a-f]{64}\b/;

/** Returns the child of an image whose container config differs from that of a step in the fewest fields. It has the same command. */
export function nearestChild(
  step: ProbeStep,
  parent: Digest | undefined,
  relations: Pick<ImageRelations, "children">,
): NearestChild | undefined {
  const command = commandOf(step.config);
  const children = relations.children(parent).flatMap(({ id, builtHere, containerConfig: config }): NearestChild[] => {
    if (!builtHere || config === undefined || commandOf(config) !== command) return [];
    const fields = differingFields(config, step.config);
    return fields.length === 0 ? [] : [{ id, config, fields }];
  });
  return children.toSorted((a, b) => a.fields.length - b.fields.length)[0];
}

/** Splits the command of a config: the build arguments that it starts with, and the words of the command. */
export function splitCommand({ Cmd = [] }: ContainerConfig): { args: readonly string[]; words: readonly string[] } {
  const count = /^\|(\d{1,6})$/.exec(Cmd[0] ?? "")?.[1];
  if (count === undefined) return { args: [], words: Cmd };
  return { args: Cmd.slice(1, 1 + Number(count)), words: Cmd.slice(1 + Number(count)) };
}

/** What a step does, whatever its build arguments and the content of its files are. */
function commandOf(config: ContainerConfig): string {
  return JSON.stringify(splitCommand(config).words.map((word) => word.replace(COPY_HASH, "")));
}
