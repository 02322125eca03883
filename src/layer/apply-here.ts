import { Limits } from "../core/index.ts";
import { type Bytes, limited } from "../io/index.ts";
import { type ByteString, pathOfByteString } from "../linux/index.ts";
import { readTar } from "./tar-read.ts";
import { type Unpacked, unpack, type UnpackMode } from "./unpack.ts";

/** What a layer is to be unpacked into, and how; as `ApplyLayerOptions`, with nothing left out. */
export interface Application {
  readonly directory: ByteString;
  readonly format: "overlay" | "plain";
  readonly lowerView: ByteString | undefined;
  readonly userXattr: boolean;
  readonly chown: boolean;
  readonly what: string;
}

/** Unpacks a layer's archive in this thread. */
export async function applyHere(tar: Bytes, to: Application, signal: AbortSignal | undefined): Promise<Unpacked> {
  const { what } = to;
  const entries = readTar(limited(tar, Limits.layerUnpacked, { what }), { what });
  const ownership = to.chown ? "archive" : "process";
  return await unpack(entries, pathOfByteString(to.directory), { mode: modeOf(to), ownership, what, signal });
}

function modeOf({ format, lowerView, userXattr }: Application): UnpackMode {
  if (format === "plain") return { kind: "plain" };
  const lower = lowerView === undefined ? undefined : pathOfByteString(lowerView);
  return { kind: "overlay", lower, userXattr };
}
