import { splitEnv } from "../../core/index.ts";
import type { Instruction } from "../../dockerfile/index.ts";
import type { StepOrigin } from "../options.ts";
import type { StageState } from "./stage-state.ts";

/** Returns the text of an instruction, and the build arguments that are part of its key. */
export function stepOrigin(stage: StageState, { code, kind }: Instruction): StepOrigin {
  const overridden = new Set((stage.image.config.Env ?? []).map((entry) => splitEnv(entry)[0]));
  const args = new Map<string, string>();
  for (const [name, { value }] of stage.buildArgs) {
    const given = stage.env.get(name) ?? value;
    if (given === undefined || overridden.has(name)) continue;
    if (kind === "run" || names(code, name)) args.set(name, given);
  }
  return { text: code, args };
}

/** True if a text has a variable of this name: `$NAME` or `${NAME…}`. */
function names(text: string, name: string): boolean {
  const uses = text.split("$").slice(1);
  return uses.some((use) => {
    const after = use.startsWith("{") ? use.slice(1) : use;
    return after.startsWith(name) && !/^\w/.test(after.slice(name.length));
  });
}
