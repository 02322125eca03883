import { type Digest, VarveError, isDigest } from "../core/index.ts";
import { ByteReader, ByteWriter } from "../io/index.ts";
import { decodeAccesses, encodeAccesses } from "./accesses.ts";
import type { StepTraces } from "./forgiveness.ts";
import { decodeLayer, encodeLayer } from "./layer-codec.ts";

/** The bind mounts of a step. */
export interface TracedMounts {
  /** Identifies the inputs of the step that are neither its root nor bind mounts. */
  readonly rest: string;
  /** In the order of the op. */
  readonly mounts: readonly TracedMount[];
}

/** A bind mount of a step. Paths are absolute in what is mounted: `/` is the mount itself. */
export interface TracedMount {
  /** The content key of what is mounted. */
  readonly content: Digest;
  /** What the step has read of it, and what it has written to it. */
  readonly traces: StepTraces;
}

/** Maximum number of mounts of a step whose accesses are recorded. The kernel allows a user 128 watches by default, one for each mount. */
export const MAX_MOUNTS = 16;

export function encodeMounts({ rest, mounts }: TracedMounts): Buffer {
  const writer = new ByteWriter();
  writer.text(rest);
  writer.number(mounts.length);
  for (const { content, traces } of mounts) {
    writer.text(content);
    writer.text(encodeAccesses(traces.accesses).toString("latin1"));
    writer.text(encodeLayer(traces.layer).toString("latin1"));
  }
  return writer.take();
}

/**
 * Reads what `encodeMounts` wrote.
 * @throws {VarveError} `corrupt`
 */
export function decodeMounts(bytes: Uint8Array): TracedMounts {
  const reader = new ByteReader(bytes);
  const rest = reader.text();
  const count = reader.number();
  if (count > MAX_MOUNTS) throw new VarveError("corrupt", "Cannot read what a step has opened: too many mounts");
  const mounts: TracedMount[] = [];
  for (let left = count; left > 0; left -= 1) mounts.push(readMount(reader));
  return { rest, mounts };
}

function readMount(reader: ByteReader): TracedMount {
  const content = reader.text();
  if (!isDigest(content)) throw new VarveError("corrupt", "Cannot read what a step has opened: no content of a mount");
  const accesses = decodeAccesses(Buffer.from(reader.text(), "latin1"));
  const layer = decodeLayer(Buffer.from(reader.text(), "latin1"));
  return { content, traces: { accesses, layer } };
}
