import { type Digest, Limits } from "../core/index.ts";
import { type Bytes, decompress, limited, verified } from "../io/index.ts";
import { type ByteString, pathOfByteString } from "../linux/index.ts";
import { readTar } from "./tar/read.ts";
import { type Unpacked, unpack, type UnpackMode } from "./unpack/unpack.ts";

/** The unpacking of a layer: `ApplyLayerOptions` with all defaults filled in. A plain value that can be sent to a thread. */
export interface ApplyJob {
  readonly kind: "apply";
  readonly directory: ByteString;
  readonly format: "overlay" | "plain";
  readonly lowerView: ByteString | undefined;
  readonly userXattr: boolean;
  readonly chown: boolean;
  readonly what: string;
  /** If defined, the bytes are a blob whose archive has this digest. Otherwise they are the archive. */
  readonly diffId: Digest | undefined;
}

/** Unpacks a layer in the current thread. */
export async function runApplyJob(bytes: Bytes, job: ApplyJob, signal: AbortSignal | undefined): Promise<Unpacked> {
  const { what } = job;
  const entries = readTar(archiveOf(bytes, job), { what });
  const ownership = job.chown ? "archive" : "process";
  return await unpack(entries, pathOfByteString(job.directory), { mode: modeOf(job), ownership, what, signal });
}

function archiveOf(bytes: Bytes, { diffId, what }: ApplyJob): Bytes {
  if (diffId === undefined) return limited(bytes, Limits.layerUnpacked, { what });
  const tar = decompress(bytes, { format: "detect", what, limit: Limits.layerUnpacked });
  return verified(tar, { digest: diffId }, { what });
}

function modeOf({ format, lowerView, userXattr }: ApplyJob): UnpackMode {
  if (format === "plain") return { kind: "plain" };
  const lower = lowerView === undefined ? undefined : pathOfByteString(lowerView);
  return { kind: "overlay", lower, userXattr };
}
