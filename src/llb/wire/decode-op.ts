import { isDigest, normalizePlatform, type Digest, type Platform } from "../../core/index.ts";
import { decodeExec } from "./decode-exec.ts";
import { decodeFile } from "./decode-file.ts";
import { FIRST_OP_FIELD, OP_KINDS, type InputRef } from "./encode-op.ts";
import { invalidOp } from "../model/invalid.ts";
import type { BuildOp, Op, OpKind } from "../model/op.ts";
import { addEntry, asBytes, asInt, asInts, asText, readFields, type ProtoField } from "./protobuf.ts";

/** A decoded `pb.Op`. The last entry of a definition has no `op`: its only input is the result. */
export interface DecodedOp {
  readonly op: Op | undefined;
  readonly inputs: readonly InputRef[];
  /** Normalised. */
  readonly platform: Platform | undefined;
  readonly constraints: readonly string[];
}

/**
 * Reads a serialised op. Unknown fields are ignored.
 *
 * @throws {VarveError} `corrupt` for malformed bytes; `invalid-argument` for values that are not valid; `unsupported` for a file
 * action of an unknown kind.
 */
export function decodeOp(bytes: Uint8Array): DecodedOp {
  const inputs: InputRef[] = [];
  let op: Op | undefined;
  let platform: Platform | undefined;
  let constraints: readonly string[] = [];
  for (const field of readFields(bytes)) {
    const kind = OP_KINDS[field.number - FIRST_OP_FIELD];
    if (kind !== undefined) op = decodeBody(kind, asBytes(field));
    else if (field.number === 1) inputs.push(decodeInput(asBytes(field)));
    else if (field.number === 10) platform = decodePlatform(asBytes(field));
    else if (field.number === 11) constraints = decodeConstraints(asBytes(field));
  }
  return { op, inputs, platform, constraints };
}

function decodeInput(bytes: Uint8Array): InputRef {
  let digest: Digest | undefined;
  let output = 0;
  for (const field of readFields(bytes)) {
    if (field.number === 1) digest = toDigest(asText(field));
    else if (field.number === 2) output = asInt(field);
  }
  if (digest === undefined) throw invalidOp("invalid missing input digest ");
  return { digest, output };
}

function toDigest(text: string): Digest {
  if (isDigest(text)) return text;
  throw invalidOp(`invalid missing input digest ${text}`);
}

function decodePlatform(bytes: Uint8Array): Platform {
  const texts = ["", "", "", "", ""];
  const osFeatures: string[] = [];
  for (const field of readFields(bytes)) {
    if (field.number === 5) osFeatures.push(asText(field));
    else if (field.number < 5) texts[field.number] = asText(field);
  }
  const [, architecture = "", os = "", variant = "", osVersion = ""] = texts;
  return normalizePlatform({ os, architecture, variant, osVersion, osFeatures });
}

function decodeConstraints(bytes: Uint8Array): string[] {
  const filters: string[] = [];
  for (const field of readFields(bytes)) if (field.number === 1) filters.push(asText(field));
  return filters;
}

/** Reads a message whose only field is an input number. */
function inputOf(field: ProtoField): number {
  let input = 0;
  for (const part of readFields(asBytes(field))) if (part.number === 1) input = asInt(part);
  return input;
}

function decodeBody(kind: OpKind, bytes: Uint8Array): Op {
  switch (kind) {
    case "exec":
      return decodeExec(bytes);
    case "file":
      return decodeFile(bytes);
    case "source":
      return decodeSource(bytes);
    case "build":
      return decodeBuild(bytes);
    case "merge":
      return { kind, inputs: [...readFields(bytes)].filter(({ number }) => number === 1).map(inputOf) };
    case "diff":
      return decodeDiff(bytes);
    case "passthrough":
      return decodePassthrough(bytes);
  }
}

function decodeSource(bytes: Uint8Array): Op {
  let identifier = "";
  const attrs = new Map<string, string>();
  for (const field of readFields(bytes)) {
    if (field.number === 1) identifier = asText(field);
    else if (field.number === 2) addEntry(attrs, field, asText, "");
  }
  return { kind: "source", identifier, attrs };
}

function decodeBuild(bytes: Uint8Array): BuildOp {
  let builder = 0;
  let definition: Uint8Array | undefined;
  const inputs = new Map<string, number>();
  const attrs = new Map<string, string>();
  for (const field of readFields(bytes)) {
    if (field.number === 1) builder = asInt(field);
    else if (field.number === 2) addEntry(inputs, field, inputOf, 0);
    else if (field.number === 3) definition = asBytes(field);
    else if (field.number === 4) addEntry(attrs, field, asText, "");
  }
  return { kind: "build", builder, inputs, attrs, definition };
}

function decodeDiff(bytes: Uint8Array): Op {
  let lower: number | undefined;
  let upper: number | undefined;
  for (const field of readFields(bytes)) {
    if (field.number === 1) lower = inputOf(field);
    else if (field.number === 2) upper = inputOf(field);
  }
  if (lower === undefined || upper === undefined) throw invalidOp("invalid diff op with nil lower or upper input");
  return { kind: "diff", lower, upper };
}

function decodePassthrough(bytes: Uint8Array): Op {
  let id = "";
  const outputs: number[] = [];
  for (const field of readFields(bytes)) {
    if (field.number === 1) id = asText(field);
    else if (field.number === 2) outputs.push(...asInts(field));
  }
  return { kind: "passthrough", id, outputs };
}
