import { isDigest, digestAlgorithm, digestHex } from "../../../core/index.ts";
import type { StatementSubject } from "../../../export/index.ts";
import { GrpcCode, GrpcError } from "../../../grpc/index.ts";
import {
  type Attestation,
  AttestationKind,
  type InTotoSubject,
  InTotoSubjectKind,
  type Result,
} from "../proto/gen/gateway_pb.ts";
import type { ResultAttestation, ResultAttestations } from "../result/result.ts";
import type { GatewayRefs } from "./gateway-refs.ts";

/** Reads the attestations of a result that a client returns. */
export function attestationsOf({ attestations }: Result, refs: GatewayRefs): ResultAttestations {
  return new Map(
    Object.entries(attestations).map(([id, { attestation }]) => [
      id,
      attestation.map((each) => attestationOf(each, refs)),
    ]),
  );
}

function attestationOf(
  { kind, metadata, ref, path, inTotoPredicateType, inTotoSubjects }: Attestation,
  refs: GatewayRefs,
): ResultAttestation {
  const values = new Map(Object.entries(metadata).map(([key, value]) => [key, Buffer.from(value).toString()]));
  return {
    kind: kind === AttestationKind.Bundle ? "bundle" : "file",
    ref: refs.returned(ref?.id ?? ""),
    path,
    predicateType: inTotoPredicateType,
    inlineOnly: values.get("inline-only") === "true",
    coreName: values.get("sbom-core"),
    subjects: inTotoSubjects.map(subjectOf),
  };
}

function subjectOf({ kind, name, digest }: InTotoSubject): StatementSubject {
  if (kind === InTotoSubjectKind.Self) return { kind: "result", name: name === "" || name === "_" ? undefined : name };
  return { kind: "raw", name: name === "" ? "_" : name, digest: Object.fromEntries(digest.map(digestEntry)) };
}

function digestEntry(text: string): [algorithm: string, hex: string] {
  if (isDigest(text)) return [digestAlgorithm(text), digestHex(text)];
  throw new GrpcError(GrpcCode.unknown, `invalid digest ${text} of an attestation's subject`);
}
