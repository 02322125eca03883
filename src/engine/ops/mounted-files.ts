import { type Digest, digestHex, isVarveError } from "../../core/index.ts";
import { type ContentEntry, type ContentSelector, attributesDigest, wholeTree } from "../../contenthash/index.ts";
import { byteStringOf } from "../../linux/index.ts";
import { type BindMount, EMPTY, type ExecOp, ROOT_MOUNT } from "../../llb/index.ts";
import { joinPath } from "../../pattern/index.ts";
import { DIGEST_BYTES, type LayerEntry, MAX_ENTRIES } from "../../traced/index.ts";
import type { MountedFiles } from "../traced/mounted-files.ts";
import { contentFiles } from "./content-files.ts";
import { targetOf } from "./exec-mounts.ts";
import { pathBelow } from "./step-trace.ts";
import type { Result } from "./result.ts";

/** Returns the content key of a part of an input; undefined if it is not known. */
export type DigestInput = (
  input: Result,
  index: number,
  selectors: readonly ContentSelector[],
) => Promise<Digest | undefined>;

/** Returns the bind mounts of inputs, without the root. */
export function bindMounts({ mounts }: ExecOp): BindMount[] {
  return mounts
    .filter((mount) => mount.type === "bind")
    .filter(({ dest, input }) => dest !== ROOT_MOUNT && input !== EMPTY);
}

/** Returns what is in the bind mounts of a step, in the order of the op. Undefined if it is not known of one of them. */
export async function filesInMounts(
  op: ExecOp,
  inputs: readonly (Result | undefined)[],
  digest: DigestInput,
): Promise<MountedFiles[] | undefined> {
  const all: MountedFiles[] = [];
  for (const mount of bindMounts(op)) {
    const input = inputs[mount.input];
    const files = input && (await filesIn(mount, input, targetOf(mount, op.meta.cwd), digest));
    if (files === undefined) return undefined;
    all.push(files);
  }
  return all;
}

async function filesIn(
  mount: BindMount,
  input: Result,
  target: string,
  digest: DigestInput,
): Promise<MountedFiles | undefined> {
  const path = joinPath("/", mount.selector);
  const selectors = [path === "/" ? wholeTree : { ...wholeTree, path, followLinks: true }];
  const content = await digest(input, mount.input, selectors).catch((error: unknown) => {
    // The step fails for that, with a better message.
    if (isVarveError(error, "not-found")) return undefined;
    throw error;
  });
  const files = (): LayerEntry[] | undefined => {
    const listed = contentFiles(input, selectors);
    return listed && entriesOf(listed, path);
  };
  return content === undefined ? undefined : { target, content, files };
}

/** Returns files of a tree as entries, with paths relative to one of its directories. Undefined if there are too many. */
function entriesOf(files: Iterable<ContentEntry>, directory: string): LayerEntry[] | undefined {
  const above = directory === "/" ? "" : byteStringOf(directory);
  const entries: LayerEntry[] = [];
  for (const file of files) {
    const path = file.path === "/" ? "/" : pathBelow(file.path, above);
    if (path === undefined || entries.length >= MAX_ENTRIES) return undefined;
    entries.push(entryOf(file, path));
  }
  return entries;
}

function entryOf({ header, digest }: ContentEntry, path: string): LayerEntry {
  const attributes = shortened(attributesDigest(header));
  switch (header.kind) {
    case "directory":
      return { path, kind: "directory", attributes, opaque: false };
    case "file":
      return { path, kind: "file", attributes, content: shortened(digest) };
    case "symlink":
      return { path, kind: "symlink", attributes, content: "" };
    default:
      return { path, kind: "other", attributes, content: "" };
  }
}

function shortened(digest: Digest): string {
  return digestHex(digest).slice(0, DIGEST_BYTES * 2);
}
