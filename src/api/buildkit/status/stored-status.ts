import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { VarveError } from "../../../core/index.ts";
import { type StatusResponse, StatusResponseSchema } from "../proto/gen/control_pb.ts";
import type { BlobContent } from "../../../history/index.ts";
import type { StatusMessage } from "./messages.ts";
import type { StatusLog } from "./status-log.ts";

/** The media type of a stored status. */
const STATUS_TYPE = "application/vnd.buildkit.status.v0";

const HEADER = 4;

/** Maximum number of bytes of a stored message: BuildKit's limit for messages of gRPC. */
const MAX_STORED = 16 * 1024 * 1024;

/** Returns the status of a build as the blob that BuildKit's history has. It can be read once the log is closed. */
export function statusBlob(log: StatusLog): BlobContent {
  return { mediaType: STATUS_TYPE, data: encodeStatus(log.read()) };
}

/** Encodes messages: each after its length as 32 bits, little endian. */
async function* encodeStatus(messages: AsyncIterable<StatusMessage>): AsyncGenerator<Uint8Array> {
  for await (const message of messages) {
    const body = toBinary(StatusResponseSchema, create(StatusResponseSchema, message));
    const header = Buffer.alloc(HEADER);
    header.writeUInt32LE(body.length);
    yield Buffer.concat([header, body]);
  }
}

/**
 * Decodes a stored status.
 *
 * @throws {VarveError} `corrupt` if a message is incomplete, malformed or larger than 16 MiB.
 */
export async function* decodeStatus(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<StatusResponse> {
  let pieces: Uint8Array[] = [];
  let have = 0;
  let needed = HEADER;
  for await (const piece of bytes) {
    pieces.push(piece);
    have += piece.length;
    if (have < needed) continue;
    let rest = Buffer.concat(pieces);
    for (needed = sizeOf(rest); rest.length >= needed; needed = sizeOf(rest)) {
      yield decode(rest.subarray(HEADER, needed));
      rest = rest.subarray(needed);
    }
    pieces = [rest];
    have = rest.length;
  }
  if (have > 0) throw corrupt("its last message is incomplete");
}

function decode(message: Uint8Array): StatusResponse {
  try {
    return fromBinary(StatusResponseSchema, message);
  } catch (cause) {
    throw corrupt("a message is malformed", cause);
  }
}

/** Returns the number of bytes up to the end of the first message, as far as it is known. */
function sizeOf(bytes: Buffer): number {
  if (bytes.length < HEADER) return HEADER;
  const length = bytes.readUInt32LE();
  if (length > MAX_STORED) throw corrupt(`a message has ${length} bytes`);
  return HEADER + length;
}

function corrupt(why: string, cause?: unknown): VarveError {
  return new VarveError("corrupt", `Cannot read the status of a build: ${why}`, { cause });
}
