import { VarveError } from "../../core/index.ts";
import { type LintWarning, hasLocation } from "../../dockerfile/index.ts";
import { type CheckResult, checkDockerfile, listTargets, outline } from "../../frontend/index.ts";
import { absolutePaths } from "../options/absolute-paths.ts";
import { openLocalSession } from "../build.ts";
import type { ServedClient } from "../client/local-client.ts";
import { loadBuild } from "../compile.ts";
import { checkText, outlineText, targetsText } from "./text.ts";
import type { BuildOptions } from "../options/options.ts";
import type { Session } from "../session.ts";

export const DESCRIPTIONS = ["check", "outline", "targets"] as const;
export type DescriptionKind = (typeof DESCRIPTIONS)[number];

/** A description of a Dockerfile. `ok` is false if a check failed or warned. */
export interface Description {
  readonly text: string;
  readonly ok: boolean;
}

/**
 * Returns the output of `--call check`, `outline` or `targets`. Runs no step. Fetches only the configs of base images; if a registry
 * cannot be reached, the result contains everything that does not depend on them.
 */
export async function describeDockerfile(options: BuildOptions, kind: DescriptionKind): Promise<Description> {
  return await serveDescription(absolutePaths(options), kind, {});
}

/** Describes as `describeDockerfile` does, for a client of a server. Paths are absolute. */
export async function serveDescription(
  options: BuildOptions,
  kind: DescriptionKind,
  served: ServedClient,
): Promise<Description> {
  await using stack = new AsyncDisposableStack();
  const session = stack.use(await openLocalSession(options, stack, served));
  if (kind === "check") return await check(options, session, stack);
  const { file, options: compile } = await loadBuild(options, session, stack);
  if (kind === "targets") return { ok: true, text: targetsText(listTargets(file)) };
  const found = await outline(file, compile, session.host, options.signal);
  return { ok: found.missing.every(isUnreachable), text: outlineText(found) };
}

/** Checks a Dockerfile. If it cannot be parsed, returns the warnings that were found before the error. */
async function check(options: BuildOptions, session: Session, stack: AsyncDisposableStack): Promise<Description> {
  const warnings: LintWarning[] = [];
  try {
    const { file, options: compile } = await loadBuild(options, session, stack, warnings);
    const result = await checkDockerfile(file, compile, session.host, options.signal);
    return { ok: isClean(result), text: checkText(result, file.source) };
  } catch (error) {
    if (!(error instanceof VarveError) || !hasLocation(error)) throw error;
    return { ok: false, text: checkText({ warnings, missing: [], error }) };
  }
}

function isClean({ warnings, missing, error }: CheckResult): boolean {
  return warnings.length === 0 && error === undefined && missing.every(isUnreachable);
}

/** Returns true if the error says that a registry cannot be reached, which is not an error in the Dockerfile. */
function isUnreachable({ code }: VarveError): boolean {
  return code === "remote";
}
