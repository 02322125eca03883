import { contextRoot } from "../contenthash/index.ts";
import { DirectoryTree, type MessageStream, type Sent, type TransferOptions, sendTree } from "../filesync/index.ts";
import { type Path, pathOfByteString } from "../linux/index.ts";
import { type ContextPatterns, contextFilter } from "./local-filter.ts";

/**
 * Sends a directory of this machine as a context, as a client of BuildKit does: all entries belong to root.
 *
 * @throws {VarveError} `not-found` or `invalid-argument` if it is not a directory, and what `sendTree` throws
 * @example
 * await sendContext(stream, ".", { excludePatterns: ["node_modules"] });
 */
export async function sendContext(
  stream: MessageStream,
  directory: Path,
  patterns: ContextPatterns,
  options: TransferOptions = {},
): Promise<Sent> {
  const { path } = contextRoot(directory);
  const filter = contextFilter(path, patterns);
  using tree = new DirectoryTree(pathOfByteString(path), { filter, owner: { uid: 0, gid: 0 } });
  return await sendTree(stream, tree, options);
}
