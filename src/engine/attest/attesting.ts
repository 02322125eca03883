import { attestationRequests, provenanceParameters } from "../../attest/index.ts";
import type { Dockerfile } from "../../dockerfile/index.ts";
import type { ExportPlatform } from "../../export/index.ts";
import type { CompileResult } from "../../frontend/index.ts";
import type { Edge, State } from "../../llb/index.ts";
import { type RecordId, SCRATCH } from "../../record/index.ts";
import type { BuildSettings } from "../options/options.ts";
import type { Session } from "../session.ts";
import type { AttestSettings } from "../targets.ts";
import { localRequest } from "./local-request.ts";
import { localResults } from "./local-results.ts";
import { openSbomMaker } from "./open-provenance.ts";
import { ProvenanceMaker } from "./provenance.ts";
import { RequestTrace, type TracedResult, tracedHost } from "./request-trace.ts";
import { type OpenedScanner, findScanner, scanned } from "./scanner.ts";
import { vcsOptions } from "./vcs-options.ts";

type Scanned = Pick<ExportPlatform, "attestations" | "scans">;

/** What makes the attestations of a build of this process. */
export interface Attesting extends AttestSettings {
  readonly trace: RequestTrace;
  /** Returns what has to be solved for SBOMs, besides the results: the steps that scan them, or what is to be scanned. */
  readonly scans: (compiled: readonly CompileResult[]) => (Edge | undefined)[];
  /** Returns what SBOMs are made of, for each result. `records` are those of `scans`. */
  readonly scanned: (compiled: readonly CompileResult[], records: readonly RecordId[]) => readonly Scanned[];
  /** Returns the compiled results with where they come from. */
  readonly results: (file: Dockerfile, compiled: readonly CompileResult[]) => readonly TracedResult[];
}

/**
 * Reads which attestations a build asks for, by its options or by build arguments (`BUILDKIT_ATTEST_PROVENANCE`).
 *
 * @throws {VarveError} `invalid-argument` for parameters that cannot be used; the errors of looking up an image.
 */
export async function openAttesting(settings: BuildSettings, session: Session): Promise<Attesting> {
  const found = parametersOf(settings);
  const [provenance, sbom] = [found.get("provenance"), found.get("sbom")];
  const vcs = provenance === undefined ? [] : await vcsOptions(settings);
  const trace = new RequestTrace(localRequest(settings, vcs));
  const parameters = provenance && provenanceParameters(provenance);
  const mode = settings.pull === true ? "pull" : "default";
  const scanner = sbom && (await findScanner(sbom, tracedHost(session.host, trace), mode));
  return {
    trace,
    ...(scanner === undefined ? builtin(sbom !== undefined) : generated(scanner)),
    results: (file, compiled) => localResults(file, compiled, trace),
    sbom: sbom !== undefined && scanner === undefined ? await openSbomMaker(session) : undefined,
    provenance: parameters && {
      maker: new ProvenanceMaker(session, { captureUsage: parameters.captureUsage }),
      parameters,
    },
  };
}

function generated(scanner: OpenedScanner): Pick<Attesting, "scans" | "scanned"> {
  return {
    scans: (compiled) => compiled.map((result) => scanner.stepFor(result)),
    scanned: (_, records) => records.map((record) => ({ attestations: [scanned(record)] })),
  };
}

function builtin(isWanted: boolean): Pick<Attesting, "scans" | "scanned"> {
  const extrasOf = ({ scans }: CompileResult): readonly (readonly [string, State])[] => (isWanted ? [...scans] : []);
  return {
    scans: (compiled) => compiled.flatMap((result) => extrasOf(result).map(([, state]) => state.edge)),
    scanned: (compiled, records) => {
      const rest = records.values();
      return compiled.map((result) => ({
        scans: new Map(extrasOf(result).map(([name]) => [name, rest.next().value ?? SCRATCH])),
      }));
    },
  };
}

/** Returns the parameters of each type. An option takes precedence over a build argument. */
function parametersOf({ attestations = [], buildArgs = {} }: BuildSettings): Map<string, ReadonlyMap<string, string>> {
  const args = Object.entries(buildArgs).map(([key, value]) => [`build-arg:${key}`, value] as const);
  const found = new Map<string, ReadonlyMap<string, string>>(attestationRequests(new Map(args)));
  for (const { type, attrs } of attestations.toReversed()) found.set(type, new Map(Object.entries(attrs)));
  return found;
}
