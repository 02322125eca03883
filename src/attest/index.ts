export { Capture } from "./provenance/capture.ts";
export type {
  BlobMaterial,
  GitMaterial,
  HttpMaterial,
  ImageMaterial,
  LocalMaterial,
  Material,
  PinOf,
} from "./provenance/material.ts";
export { normalized } from "./provenance/material.ts";
export { type ProvenanceParameters, provenanceParameters } from "./provenance/parameters.ts";
export {
  type Invocation,
  type Provenance,
  type ProvenanceFacts,
  type StepLayers,
  provenanceOf,
} from "./provenance/predicate.ts";
export { type BuildRequest, type RequestRecord, isSameRequest, recordRequest } from "./provenance/request.ts";
export { encodePredicate, predicateType } from "./provenance/slsa.ts";
export type { SourceFacts, SourceFile, SourceLocation } from "./provenance/source-json.ts";
export {
  SBOM_NAME,
  SPDX_TYPE,
  type SbomParameters,
  type ScanRequest,
  type Scanner,
  sbomParameters,
  scanStep,
} from "./sbom.ts";
export { Invocations, newInvocationId } from "./invocations.ts";
export { type PurlOptions, imagePurl } from "./purl.ts";
export { type AttestationRequests, type AttestationType, attestationRequests } from "./request.ts";
