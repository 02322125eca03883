import { type Digest, Limits } from "../core/index.ts";
import { type Bytes, decompress, limited, verified } from "../io/index.ts";
import { type ByteString, pathOfByteString } from "../linux/index.ts";
import { readTar } from "./tar/read.ts";
import { type Unpacked, unpack, type UnpackMode } from "./unpack/unpack.ts";

/** What a layer is to be unpacked into, and how; as `ApplyLayerOptions`, with nothing left out. */
export interface Application {
  readonly directory: ByteString;
  readonly format: "overlay" | "plain";
  readonly lowerView: ByteString | undefined;
  readonly userXattr: boolean;
  readonly chown: boolean;
  readonly what: string;
  /** The bytes are a blob, compressed or not, whose archive has this digest; undefined: they are the archive. */
  readonly diffId: Digest | undefined;
}

/** Unpacks a layer in this thread. */
export async function applyHere(bytes: Bytes, to: Application, signal: AbortSignal | undefined): Promise<Unpacked> {
  const { what } = to;
  const entries = readTar(archiveOf(bytes, to), { what });
  const ownership = to.chown ? "archive" : "process";
  return await unpack(entries, pathOfByteString(to.directory), { mode: modeOf(to), ownership, what, signal });
}

function archiveOf(bytes: Bytes, { diffId, what }: Application): Bytes {
  if (diffId === undefined) return limited(bytes, Limits.layerUnpacked, { what });
  const tar = decompress(bytes, { format: "detect", what, limit: Limits.layerUnpacked });
  return verified(tar, { digest: diffId }, { what });
}

function modeOf({ format, lowerView, userXattr }: Application): UnpackMode {
  if (format === "plain") return { kind: "plain" };
  const lower = lowerView === undefined ? undefined : pathOfByteString(lowerView);
  return { kind: "overlay", lower, userXattr };
}
