import type { BlobContent } from "../types.ts";
import { encodeStatusMessage } from "./encode.ts";
import type { StatusMessage } from "./messages.ts";
import type { StatusLog } from "./status-log.ts";

/** The media type of a stored status. */
const STATUS_TYPE = "application/vnd.buildkit.status.v0";

/** Number of bytes of the length before each message. */
export const STATUS_HEADER = 4;

/** Returns the status of a build as the blob that BuildKit's history has. It can be read once the log is closed. */
export function statusBlob(log: StatusLog): BlobContent {
  return { mediaType: STATUS_TYPE, data: encodeStatus(log.read()) };
}

/** Encodes messages: each after its length as 32 bits, little endian. */
async function* encodeStatus(messages: AsyncIterable<StatusMessage>): AsyncGenerator<Uint8Array> {
  for await (const message of messages) {
    const body = encodeStatusMessage(message);
    const header = Buffer.alloc(STATUS_HEADER);
    header.writeUInt32LE(body.length);
    yield Buffer.concat([header, body]);
  }
}
