import { randomUUID } from "node:crypto";
import { type Digest, VarveError } from "../../../core/index.ts";
import { GrpcCode, type Metadata, invoke, invokeBidi, isGrpcError } from "../../../grpc/index.ts";
import type { Bytes } from "../../../io/index.ts";
import { Content, WriteAction, type WriteContentResponse } from "../proto/gen/content_pb.ts";
import { called } from "../proto/methods.ts";
import type { ClientSession } from "./client-session.ts";

const writeMethod = called(Content.method.write);
const abortMethod = called(Content.method.abort);

/** Maximum bytes of a message. */
const PIECE = 1_048_576;
/** Milliseconds to remove what a failed write has left. */
const ABORT_TIMEOUT = 5000;

export interface BlobToWrite {
  readonly digest: Digest;
  readonly size: number;
  readonly labels?: Readonly<Record<string, string>> | undefined;
}

/**
 * Writes a blob into a client's store. Removes what it has written if it fails.
 *
 * @throws {VarveError} `corrupt` if the source has another size. {GrpcError} What the client answers.
 */
export async function writeContent(
  session: ClientSession,
  metadata: Metadata,
  blob: BlobToWrite,
  source: Bytes,
  signal: AbortSignal | undefined,
): Promise<"written" | "exists"> {
  // Clients lock a name while somebody writes under it.
  const ref = `varve-${blob.digest}-${randomUUID()}`;
  try {
    return await writeAs(ref, session, metadata, blob, source, signal);
  } catch (error) {
    if (isGrpcError(error, GrpcCode.alreadyExists)) return "exists";
    await invoke(session.client, abortMethod, { ref }, { metadata, timeout: ABORT_TIMEOUT }).catch(() => undefined);
    throw error;
  }
}

async function writeAs(
  ref: string,
  { client }: ClientSession,
  metadata: Metadata,
  { digest: expected, size, labels = {} }: BlobToWrite,
  source: Bytes,
  signal: AbortSignal | undefined,
): Promise<"written"> {
  using call = invokeBidi(client, writeMethod, { metadata, signal });
  const responses = call.responses[Symbol.asyncIterator]();
  const common = { ref, total: BigInt(size), expected };
  const ask = async (request: Parameters<typeof call.send>[0]): Promise<WriteContentResponse> => {
    // The answer says why a request cannot be sent.
    await call.send(request).catch(() => undefined);
    const { done, value } = await responses.next();
    if (done === true) throw wrongSize(expected, "the client stopped answering");
    return value;
  };
  await ask({ ...common, action: WriteAction.STAT });
  let offset = 0;
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length; at += PIECE) {
      const data = chunk.subarray(at, at + PIECE);
      await ask({ ...common, action: WriteAction.WRITE, offset: BigInt(offset), data });
      offset += data.length;
    }
  }
  if (offset !== size) throw wrongSize(expected, `it has ${offset} bytes, not ${size}`);
  await ask({ ...common, action: WriteAction.COMMIT, offset: BigInt(offset), labels: { ...labels } });
  call.end();
  // Clients of containerd's code answer the last request twice.
  while ((await responses.next()).done !== true);
  return "written";
}

function wrongSize(digest: Digest, why: string): VarveError {
  return new VarveError("corrupt", `Cannot write blob ${digest} to the client: ${why}`);
}
