import { goQuote, parseGivenPlatform, parseReference } from "../../core/index.ts";
import {
  didYouMean,
  type Dockerfile,
  expand,
  type Expansion,
  type Linter,
  type Stage,
  suggestion,
} from "../../dockerfile/index.ts";
import { type GlobalArgs, globalArgs } from "../arguments.ts";

/** Warns about variables in FROM that no ARG declares. */
export function lintFromArgs({ unmatched }: Expansion, stage: Stage, globals: GlobalArgs, linter: Linter): void {
  const known = new Set([...globals.values.keys(), ...globals.infos.keys()]);
  for (const name of unmatched) {
    if (known.has(name)) continue;
    const message = `FROM argument '${name}' is not declared${didYouMean(suggestion(name, known))}`;
    linter.warn("UndefinedArgInFrom", stage.range, message);
  }
}

/** Warns about `--platform=$TARGETPLATFORM`, which is the default. */
export function lintRedundantPlatform(
  { text, matched, unmatched }: Expansion,
  stage: Stage,
  globals: GlobalArgs,
  linter: Linter,
): void {
  if (matched.size !== 1 || unmatched.size > 0 || !matched.has("TARGETPLATFORM")) return;
  if (text !== globals.values.get("TARGETPLATFORM")) return;
  const message = `Setting platform to predefined ${stage.platform} in FROM is redundant as this is the default behavior`;
  linter.warn("RedundantTargetPlatform", stage.range, message);
}

/** Warns about a constant `--platform`, unless the stage's name contains it. */
export function lintConstantPlatform({ text, matched, unmatched }: Expansion, stage: Stage, linter: Linter): void {
  if (matched.size > 0 || unmatched.size > 0) return;
  try {
    const { os, architecture } = parseGivenPlatform(text);
    if (stage.name.includes(os) || stage.name.includes(architecture)) return;
  } catch {
    return;
  }
  const message = `FROM --platform flag should not use constant value ${goQuote(text)}`;
  linter.warn("FromPlatformFlagConstDisallowed", stage.range, message);
}

function isReference(text: string): boolean {
  try {
    parseReference(text);
    return true;
  } catch {
    return false;
  }
}

/** Warns about a FROM that names no valid image if no build arguments are given. */
export function lintDefaultArgs(file: Dockerfile, builtIn: ReadonlyMap<string, string>, linter: Linter): void {
  try {
    const { values } = globalArgs(file, builtIn, new Map());
    for (const stage of file.stages) {
      if (isReference(expand(stage.base, values, file).text)) continue;
      const message = `Default value for ARG ${stage.base} results in empty or invalid base image name`;
      linter.warn("InvalidDefaultArgInFrom", stage.range, message);
    }
  } catch {
    // The build reports the error later, with its location.
  }
}
