import { fromBinary } from "@bufbuild/protobuf";
import { VarveError } from "../../../core/index.ts";
import { type StatusResponse, StatusResponseSchema } from "../proto/gen/control_pb.ts";
import { STATUS_HEADER } from "../../../history/index.ts";

/** Maximum number of bytes of a stored message: BuildKit's limit for messages of gRPC. */
const MAX_STORED = 16 * 1024 * 1024;

/**
 * Decodes a stored status.
 *
 * @throws {VarveError} `corrupt` if a message is incomplete, malformed or larger than 16 MiB.
 */
export async function* decodeStatus(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<StatusResponse> {
  let pieces: Uint8Array[] = [];
  let have = 0;
  let needed = STATUS_HEADER;
  for await (const piece of bytes) {
    pieces.push(piece);
    have += piece.length;
    if (have < needed) continue;
    let rest = Buffer.concat(pieces);
    for (needed = sizeOf(rest); rest.length >= needed; needed = sizeOf(rest)) {
      yield decode(rest.subarray(STATUS_HEADER, needed));
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
  if (bytes.length < STATUS_HEADER) return STATUS_HEADER;
  const length = bytes.readUInt32LE();
  if (length > MAX_STORED) throw corrupt(`a message has ${length} bytes`);
  return STATUS_HEADER + length;
}

function corrupt(why: string, cause?: unknown): VarveError {
  return new VarveError("corrupt", `Cannot read the status of a build: ${why}`, { cause });
}
