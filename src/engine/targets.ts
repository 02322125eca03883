import type { ProvenanceParameters } from "../attest/index.ts";
import type { ExportSource } from "../export/index.ts";
import type { Edge } from "../llb/index.ts";
import type { RecordId } from "../record/index.ts";
import type { SbomMaker } from "./attest/builtin-sbom.ts";
import type { ProvenanceMaker } from "./attest/provenance.ts";
import type { TracedResult } from "./attest/request-trace.ts";
import type { Result } from "./ops/result.ts";
import { type ExportReport, type OutputSettings, blobsFor, exportOutputs } from "./outputs.ts";
import type { Session } from "./session.ts";
import { retryIfDamaged } from "./store/restore.ts";

/** What a build makes: the edges to solve, and how their records become what is exported. */
export interface BuildTargets {
  /** An absent edge is scratch. */
  readonly edges: readonly (Edge | undefined)[];
  /** Returns what is exported. There is one record for each edge. */
  readonly source: (records: readonly RecordId[]) => ExportSource;
  /** Where the results come from, one for each platform of the source. Absent: nothing is said about it. */
  readonly results?: readonly TracedResult[] | undefined;
}

/** How what is exported is attested. */
export interface AttestSettings {
  /** Absent: no provenance is exported. */
  readonly provenance?: { readonly maker: ProvenanceMaker; readonly parameters: ProvenanceParameters } | undefined;
  /** Makes the SBOMs of results that have none. Absent: no SBOM is wanted, or a generator has made them. */
  readonly sbom?: SbomMaker | undefined;
}

/**
 * Exports the results of targets, one for each edge. If the files of a cached result are missing, solves again without it, until no
 * cached result is unreadable.
 */
export async function exportTargets(
  targets: BuildTargets,
  results: readonly Result[],
  settings: OutputSettings & AttestSettings,
  session: Session,
): Promise<ExportReport> {
  try {
    const records = await Promise.all(results.map((result) => session.recordOf(result)));
    return await retryIfDamaged(
      () => exportOutputs(attested(targets, records, settings), settings, session),
      ({ message }) => session.progress.warn(message),
    );
  } catch (error) {
    if (!(await session.rollBack(error))) throw error;
    const again = await session.solve(targets.edges, await blobsFor(settings.outputs));
    session.finish();
    return await exportTargets(targets, again, settings, session);
  }
}

function attested(
  { source, results = [] }: BuildTargets,
  records: readonly RecordId[],
  { provenance, sbom }: AttestSettings,
): ExportSource {
  const made = source(records);
  const described = sbom === undefined ? made : sbom.attested(made);
  return provenance === undefined ? described : provenance.maker.attested(described, results, provenance.parameters);
}
