import { mkdtemp, rmdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Root } from "../../linux/index.ts";
import { mountSnapshot } from "../../snapshot/index.ts";

/**
 * A directory in a tree that other steps may change at this moment, made where it is missing: found inside the tree whatever
 * links lie on the way, and held by a mount, so that what is put in its place afterwards does not count.
 */
export async function pinnedDirectory(tree: string, path: string, stack: AsyncDisposableStack): Promise<string> {
  using root = Root.open(tree);
  using directory = root.makeDirectories(path, { mode: 0o755 });
  const target = await mkdtemp(join(tmpdir(), "varve-mount-"));
  stack.defer(async () => await rmdir(target).catch(() => undefined));
  const mounted = await mountSnapshot({ kind: "bind", source: directory.path, readonly: false }, target);
  return stack.use(mounted).path;
}
