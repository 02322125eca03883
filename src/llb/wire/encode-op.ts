import type { Digest, Platform } from "../../core/index.ts";
import { encodeExec } from "./encode-exec.ts";
import { encodeFile } from "./encode-file.ts";
import type { Op } from "../model/op.ts";
import { ProtoWriter } from "./protobuf.ts";

/** An input in a serialised op: the digest of a vertex and the number of its output. */
export interface InputRef {
  readonly digest: Digest;
  readonly output: number;
}

/** The fields of a `pb.Op`. */
export interface OpEnvelope {
  readonly op?: Op | undefined;
  readonly inputs: readonly InputRef[];
  readonly platform?: Platform | undefined;
  /** Undefined omits the message. An empty list writes an empty message, as BuildKit's client does. */
  readonly constraints?: readonly string[] | undefined;
}

/** The members of the `oneof op` in `pb.Op`, in the order of their field numbers from `FIRST_OP_FIELD`. */
export const OP_KINDS = ["exec", "source", "file", "build", "merge", "diff", "passthrough"] as const;
export const FIRST_OP_FIELD = 2;

/**
 * Returns the bytes of a `pb.Op`, equal to those that BuildKit's Go client marshals. Their digest is the vertex digest. Go
 * writes the fields of a `oneof` after all other fields of the message, regardless of their numbers.
 */
export function encodeOp({ op, inputs, platform, constraints }: OpEnvelope): Uint8Array {
  const writer = new ProtoWriter();
  for (const { digest, output } of inputs) writer.message(1, new ProtoWriter().bytes(1, digest).varint(2, output));
  if (platform !== undefined) writer.message(10, encodePlatform(platform));
  if (constraints !== undefined) writer.message(11, new ProtoWriter().repeated(1, constraints));
  if (op !== undefined) writer.message(FIRST_OP_FIELD + OP_KINDS.indexOf(op.kind), encodeBody(op));
  return writer.finish();
}

function encodePlatform(platform: Platform): ProtoWriter {
  return new ProtoWriter()
    .bytes(1, platform.architecture)
    .bytes(2, platform.os)
    .bytes(3, platform.variant ?? "")
    .bytes(4, platform.osVersion ?? "")
    .repeated(5, platform.osFeatures ?? []);
}

function inputMessage(input: number): ProtoWriter {
  return new ProtoWriter().varint(1, input);
}

function encodeBody(op: Op): ProtoWriter {
  const writer = new ProtoWriter();
  switch (op.kind) {
    case "exec":
      return encodeExec(op);
    case "file":
      return encodeFile(op);
    case "source":
      return writer.bytes(1, op.identifier).strings(2, op.attrs);
    case "merge":
      for (const input of op.inputs) writer.message(1, inputMessage(input));
      return writer;
    case "diff":
      return writer.message(1, inputMessage(op.lower)).message(2, inputMessage(op.upper));
    case "build":
      writer.varint(1, op.builder);
      writer.map(2, op.inputs, (input, entry) => entry.message(2, inputMessage(input)));
      if (op.definition !== undefined) writer.repeated(3, [op.definition]);
      return writer.strings(4, op.attrs);
    case "passthrough":
      return writer.bytes(1, op.id).packed(2, op.outputs);
  }
}
