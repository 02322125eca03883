import { GrpcCode, Metadata, type Method, invokeBidi, isGrpcError } from "../../../grpc/index.ts";
import type { Bytes } from "../../../io/index.ts";
import { bytesMethod } from "../proto/bytes-message.ts";
import { FileSend } from "../proto/gen/filesync_pb.ts";
import type { CallerOptions, ClientSession } from "./client-session.ts";
import { type FileStream, checkFileSend, fileSendMethod, start } from "./files.ts";

const streamMethod: Method<Uint8Array, Uint8Array> = bytesMethod(FileSend.method.diffCopy);

/** Maximum bytes of a message: a client refuses messages over 4 MiB. */
const PIECE = 3_145_728;

/** An output of a build. */
export interface SendTarget {
  /** Index of the exporter in the client's request. */
  readonly exporter: number;
  /** What the client is told about the output, for archives of images. */
  readonly response?: ReadonlyMap<string, string> | undefined;
  /** For directories: true if one transfer has the files of all platforms. */
  readonly isMultiPlatform?: boolean | undefined;
}

function metadataOf({ exporter, response = new Map(), isMultiPlatform = false }: SendTarget): Metadata {
  const metadata = Metadata.of([["buildkit-attachable-exporter-id", String(exporter)]]);
  if (isMultiPlatform) metadata.append("buildkit-exporter-multi-platform", "1");
  for (const [key, value] of response) metadata.append(`exporter-md-${key.toLowerCase()}`, value);
  return metadata;
}

/**
 * Opens the client's directory for an output. The client is the receiver.
 *
 * @throws {GrpcError} `unknown` if the client takes no outputs.
 */
export function openOutput(session: ClientSession, target: SendTarget, { signal }: CallerOptions = {}): FileStream {
  checkFileSend(session);
  return start(session, fileSendMethod, metadataOf(target), signal);
}

/**
 * Sends a file to the client, and waits until the client has written it. Returns `exists` if the client has it already.
 *
 * @throws {GrpcError} `unknown` if the client takes no outputs; what the client answers; what `source` throws.
 */
export async function sendFile(
  session: ClientSession,
  target: SendTarget,
  source: Bytes,
  { signal }: CallerOptions = {},
): Promise<"written" | "exists"> {
  checkFileSend(session);
  using call = invokeBidi(session.client, streamMethod, { metadata: metadataOf(target), signal });
  const answered = readAll(call.responses);
  // If sending fails first, the answer is why.
  answered.catch(() => undefined);
  try {
    await Promise.race([sendPieces(source, call.send), answered.then(() => undefined)]);
    call.end();
    await answered;
    return "written";
  } catch (error) {
    if (isGrpcError(error, GrpcCode.alreadyExists)) return "exists";
    throw error;
  }
}

async function sendPieces(source: Bytes, send: (piece: Uint8Array) => Promise<void>): Promise<void> {
  for await (const chunk of source)
    for (let at = 0; at < chunk.length; at += PIECE) await send(chunk.subarray(at, at + PIECE));
}

async function readAll(messages: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of messages);
}
