import type { MessageInitShape } from "@bufbuild/protobuf";
import type { StatementSubject } from "../../../export/index.ts";
import { definitionOf, encodeDefinition } from "../../../llb/index.ts";
import {
  AttestationKind,
  type AttestationSchema,
  InTotoSubjectKind,
  type ResultSchema,
} from "../proto/gen/gateway_pb.ts";
import type { FrontendResult, ResultAttestation } from "../result/result.ts";
import type { GatewayRefs } from "./gateway-refs.ts";

type Messages = NonNullable<MessageInitShape<typeof ResultSchema>["attestations"]>;
type Message = MessageInitShape<typeof AttestationSchema>;

/** Returns the attestations of a result for a client, which may return them as its own. See `attestationsOf`. */
export function attestationMessages(attestations: FrontendResult["attestations"], refs: GatewayRefs): Messages {
  return Object.fromEntries(
    Array.from(attestations ?? [], ([id, each]) => [
      id,
      { attestation: each.map((attestation) => messageOf(attestation, refs)) },
    ]),
  );
}

function messageOf(attestation: ResultAttestation, refs: GatewayRefs): Message {
  const { kind, ref, path, predicateType, inlineOnly, coreName, subjects } = attestation;
  const metadata = {
    ...(coreName === undefined ? {} : { reason: Buffer.from("sbom"), "sbom-core": Buffer.from(coreName) }),
    ...(inlineOnly ? { "inline-only": Buffer.from("true") } : {}),
  };
  return {
    kind: kind === "bundle" ? AttestationKind.Bundle : AttestationKind.InToto,
    metadata,
    ref: { id: refs.add(ref), def: encodeDefinition(definitionOf(ref?.edge)) },
    path,
    inTotoPredicateType: predicateType,
    inTotoSubjects: subjects.map(subjectOf),
  };
}

function subjectOf(subject: StatementSubject): NonNullable<Message["inTotoSubjects"]>[number] {
  const { kind, name = "" } = subject;
  if (kind === "result") return { kind: InTotoSubjectKind.Self, name };
  const digest = Object.entries(subject.digest).map(([algorithm, hex]) => `${algorithm}:${hex}`);
  return { kind: InTotoSubjectKind.Raw, name, digest };
}
