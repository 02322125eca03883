import type { MessageInitShape } from "@bufbuild/protobuf";
import { llbCapabilities } from "../../../llb/index.ts";
import type { APICapSchema } from "../proto/gen/caps_pb.ts";

/** What clients can do with `LLBBridge`: the ids of BuildKit's frontend/gateway/pb/caps.go. */
const GATEWAY_CAPABILITIES = [
  "frontend.caps",
  "frontend.inputs",
  "gateway.evaluate",
  "gateway.exec",
  "gateway.exec.extrahosts",
  "gateway.exec.filesystem",
  "gateway.exec.secretenv",
  "gateway.exec.signals",
  "gateway.solve.evaluate",
  "gateway.solve.metadata",
  "gateway.warnings",
  "importcaches",
  "proto.refarray",
  "readdir",
  "readfile",
  "reference.attestations",
  "reference.output",
  "resolveimage",
  "resolveimage.resolvemode",
  "return",
  "returnmap",
  "solve.base",
  "solve.inlinereturn",
  "source.metaresolver",
  "source.metaresolver.http.checksumrequest",
  "source.metaresolver.image.attestations",
  "statfile",
];

type Caps = MessageInitShape<typeof APICapSchema>[];

/** Returns the capabilities of this server. What it lacks is left out, because clients take a disabled one for a present one. */
export function capabilities(): { frontendApiCaps: Caps; llbCaps: Caps } {
  return { frontendApiCaps: GATEWAY_CAPABILITIES.map(enabled), llbCaps: llbCapabilities.map(enabled) };
}

function enabled(id: string): Caps[number] {
  return { id, enabled: true };
}
