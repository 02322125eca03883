import { GrpcCode, GrpcError } from "../../../../grpc/index.ts";
import { Root } from "../../../../linux/index.ts";
import type { ReadDirRequest, ReadFileRequest, StatFileRequest } from "../../proto/gen/gateway_pb.ts";
import { entriesIn, fileIn, statIn } from "../files.ts";
import type { StatMessage } from "../file-stat.ts";
import type { ForwardedBuild } from "../forwarded-build.ts";

/** Returns a file of a mount of a container, or a part of it. */
// oxlint-disable-next-line require-await -- rejects rather than throws
export async function readContainerFile(
  build: ForwardedBuild,
  request: ReadFileRequest,
): Promise<{ readonly data: Uint8Array }> {
  using root = openMount(build, request, request.filePath);
  return { data: fileIn(root, request) };
}

/** Returns the entries of a directory of a mount of a container, sorted by name. */
// oxlint-disable-next-line require-await -- rejects rather than throws
export async function readContainerDirectory(
  build: ForwardedBuild,
  request: ReadDirRequest,
): Promise<{ readonly entries: StatMessage[] }> {
  using root = openMount(build, request, request.dirPath);
  return { entries: entriesIn(root, request) };
}

/** Returns what is known of one entry of a mount of a container. A link that is the path's last element is followed. */
// oxlint-disable-next-line require-await -- rejects rather than throws
export async function statContainerFile(
  build: ForwardedBuild,
  request: StatFileRequest,
): Promise<{ readonly stat: StatMessage }> {
  using root = openMount(build, request, request.path);
  return { stat: statIn(root, request.path) };
}

/** Opens the files of a mount, by its index in the request that made the container. A selector does not count. */
function openMount(
  { containers }: ForwardedBuild,
  { ref: id, mountIndex: index }: Pick<ReadFileRequest, "ref" | "mountIndex">,
  path: string,
): Root {
  const container = containers.get(id);
  if (container === undefined) throw unknown(`container details for ${id}@${index} not found`);
  if (!path.startsWith("/")) throw unknown(`can't make ${path} relative to /`);
  const count = container.spec.mounts.length;
  if (index < 0 || index >= count) throw unknown(`mount index ${index} is out of bounds (${count} available)`);
  const tree = container.tree(index);
  if (tree === undefined) throw unknown(`mountable ${index} not found`);
  return Root.open(tree);
}

function unknown(text: string): GrpcError {
  return new GrpcError(GrpcCode.unknown, text);
}
