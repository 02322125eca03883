import { VarveError, parseJson } from "../../core/index.ts";
import { type LintWarning, hasLocation } from "../../dockerfile/index.ts";
import { type CheckResult, checkDockerfile, listTargets, outline } from "../../frontend/index.ts";
import { type ServedBuild, openLocalSession } from "../build.ts";
import type { ServedClient } from "../client/local-client.ts";
import { type OpenedBuild, openBuild, parseBuild } from "../compile.ts";
import type { ForeignParts } from "../foreign/run-foreign.ts";
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

/** Who asks for a description. */
type ServedDescription = ServedClient & Pick<ServedBuild, "frontends">;

/**
 * Returns the output of `--call check`, `outline` or `targets`. Runs no step. Fetches only the configs of base images; if a registry
 * cannot be reached, the result contains everything that does not depend on them. Paths are absolute.
 */
export async function serveDescription(
  options: BuildOptions,
  kind: DescriptionKind,
  served: ServedDescription,
): Promise<Description> {
  await using stack = new AsyncDisposableStack();
  const session = stack.use(await openLocalSession(options, stack, served));
  const opened = await openBuild(options, session, stack);
  if (opened.foreign !== undefined) return await asked(kind, opened, options, { session, stack, ...served });
  if (kind === "check") return await check(opened, options, session);
  const { file, options: compile } = await parseBuild(opened, options, session);
  if (kind === "targets") return { ok: true, text: targetsText(listTargets(file)) };
  const found = await outline(file, compile, session.host, options.signal);
  return { ok: found.missing.every(isUnreachable), text: outlineText(found) };
}

/** How the front ends that are images name the questions. */
const QUESTIONS: Readonly<Record<DescriptionKind, string>> = {
  check: "frontend.lint",
  outline: "frontend.outline",
  targets: "frontend.targets",
};

/** Asks a front end that is an image. */
async function asked(
  kind: DescriptionKind,
  opened: OpenedBuild,
  options: BuildOptions,
  parts: ForeignParts,
): Promise<Description> {
  const { runForeign } = await import("../foreign/run-foreign.ts");
  const { metadata } = await runForeign(opened, options, { ...parts, question: QUESTIONS[kind] });
  const text = (key: string): string => Buffer.from(metadata.get(key) ?? []).toString();
  const status = text("result.statuscode");
  const error = kind === "check" ? checkError(metadata.get("result.json")) : "";
  return { text: text("result.txt") + error, ok: status === "" || status === "0" };
}

/** Returns the error of a file that cannot be built, which the text of a check does not have. */
function checkError(json: Uint8Array | undefined): string {
  if (json === undefined || json.length === 0) return "";
  const found = parseJson(json, "the answer of the front end").objectOrEmpty().field("buildError").objectOrEmpty();
  const message = found.string("message") ?? "";
  return message === "" ? "" : `ERROR: ${message}\n`;
}

/** Checks a Dockerfile. If it cannot be parsed, returns the warnings that were found before the error. */
async function check(opened: OpenedBuild, options: BuildOptions, session: Session): Promise<Description> {
  const warnings: LintWarning[] = [];
  try {
    const { file, options: compile } = await parseBuild(opened, options, session, warnings);
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
