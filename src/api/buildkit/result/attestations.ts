import type { Edge } from "../../../llb/index.ts";
import type { Attestation, AttestationContent } from "../../../export/index.ts";
import { type RecordId, SCRATCH } from "../../../record/index.ts";
import { attributeError } from "../dockerfile/attributes.ts";
import type { ResultAttestation } from "./result.ts";

/**
 * Returns the graphs that make attestations.
 *
 * @throws {VarveError} `invalid-argument` with BuildKit's text for an attestation that has no content
 */
export function attestationEdges(attestations: readonly ResultAttestation[]): (Edge | undefined)[] {
  return attestations.map(({ kind, ref, path }) => {
    if (kind === "bundle" && ref === undefined) throw attributeError("no ref provided for attestation bundle");
    if (kind === "file" && path === "") throw attributeError("attestation does not have set path");
    if (ref === undefined) throw attributeError("attestation does not have available content");
    return ref.edge;
  });
}

/** Returns attestations as they are exported. There is one record for each. */
export function exportedAttestations(
  attestations: readonly ResultAttestation[],
  records: readonly RecordId[],
): Attestation[] {
  return attestations.map(({ kind, path, predicateType, inlineOnly, coreName, subjects }, index) => {
    const content: AttestationContent = { kind, record: records[index] ?? SCRATCH, path };
    return { predicateType, content, fileName: path, inlineOnly, coreName, subjects };
  });
}
