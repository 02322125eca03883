import { goJson } from "../../core/index.ts";
import type { AttestationSubject } from "../types.ts";
import type { OpenedAttestation } from "./open.ts";

const STATEMENT_TYPE = "https://in-toto.io/Statement/v1";

/** Returns the in-toto statement that an attestation is, as compact JSON. `results` are the subjects that the output is. */
export function statementOf(attestation: OpenedAttestation, results: readonly AttestationSubject[]): string {
  const { predicateType, predicate } = attestation;
  const subject = subjectsOf(attestation, results).map(({ name, digest }) => ({ name, digest: { ...digest } }));
  const head = goJson({ _type: STATEMENT_TYPE, predicateType, subject });
  return `${head.slice(0, -1)},"predicate":${predicate}}`;
}

/** The output itself is the subject unless the attestation has others. It may have a second name. */
function subjectsOf(
  { subjects = [] }: OpenedAttestation,
  results: readonly AttestationSubject[],
): readonly AttestationSubject[] {
  if (subjects.length === 0) return results;
  return subjects.flatMap((subject) => {
    if (subject.kind === "raw") return subject;
    const { name } = subject;
    return results.flatMap((result) => (name === undefined ? result : [result, { ...result, name }]));
  });
}
