import { attestationRequests, provenanceParameters } from "../../attest/index.ts";
import type { Dockerfile } from "../../dockerfile/index.ts";
import type { CompileResult } from "../../frontend/index.ts";
import type { BuildSettings } from "../options/options.ts";
import type { Session } from "../session.ts";
import type { AttestSettings } from "../targets.ts";
import { localRequest } from "./local-request.ts";
import { localResults } from "./local-results.ts";
import { ProvenanceMaker } from "./provenance.ts";
import { RequestTrace, type TracedResult } from "./request-trace.ts";

/** What makes the attestations of a build of this process. */
export interface Attesting extends AttestSettings {
  readonly trace: RequestTrace;
  /** Returns the compiled results with where they come from. */
  readonly results: (file: Dockerfile, compiled: readonly CompileResult[]) => readonly TracedResult[];
}

/**
 * Reads which attestations a build asks for, by its options or by build arguments (`BUILDKIT_ATTEST_PROVENANCE`).
 *
 * @throws {VarveError} `invalid-argument` for parameters that cannot be used.
 */
export function openAttesting(settings: BuildSettings, session: Session): Attesting {
  const trace = new RequestTrace(localRequest(settings));
  const found = parametersOf(settings).get("provenance");
  return {
    trace,
    results: (file, compiled) => localResults(file, compiled, trace),
    provenance: found && { maker: new ProvenanceMaker(session, {}), parameters: provenanceParameters(found) },
  };
}

/** Returns the parameters of each type. An option takes precedence over a build argument. */
function parametersOf({ attestations = [], buildArgs = {} }: BuildSettings): Map<string, ReadonlyMap<string, string>> {
  const args = Object.entries(buildArgs).map(([key, value]) => [`build-arg:${key}`, value] as const);
  const found = new Map<string, ReadonlyMap<string, string>>(attestationRequests(new Map(args)));
  for (const { type, attrs } of attestations.toReversed()) found.set(type, new Map(Object.entries(attrs)));
  return found;
}
