import { join } from "node:path";
import type { Path } from "../../linux/index.ts";
import { forwardAgent } from "../mounts/agent.ts";
import { boundEntry, checkSecret } from "../mounts/step-mounts.ts";
import type { RunMount } from "../types.ts";

/** What is placed into a tree in the place of a mount. */
export interface StandIn {
  readonly target: string;
  readonly kind: "directory" | "file";
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly content:
    | { readonly kind: "bytes"; readonly bytes: Uint8Array }
    /** The entry itself, which returns after the step with what was changed in it. */
    | { readonly kind: "moved"; readonly source: string }
    /** A copy, which is removed with what was changed in it. */
    | { readonly kind: "copied"; readonly source: string }
    /** A directory with what `fill` puts into it. */
    | { readonly kind: "filled"; readonly fill: (directory: Path) => void };
}

export interface StandInContext {
  /** The step's directory, in which sockets are created. */
  readonly directory: string;
  readonly cleanup: AsyncDisposableStack;
}

/**
 * Returns what stands in for a mount.
 * @throws {VarveError} as `sourceOf`.
 */
export async function standInFor(mount: RunMount, { directory, cleanup }: StandInContext): Promise<StandIn> {
  const { target } = mount;
  const owner = { mode: 0o755, uid: 0, gid: 0 };
  switch (mount.kind) {
    case "bind": {
      const { kind, source } = boundEntry(mount);
      return { target, kind, ...owner, content: { kind: mount.readonly === true ? "copied" : "moved", source } };
    }
    case "tmpfs":
      return { ...emptyDirectory(target), mode: 0o1777 };
    case "secret": {
      checkSecret(mount);
      const { content: bytes, mode = 0o400, uid = 0, gid = 0 } = mount;
      return { target, kind: "file", mode: mode & 0o777, uid, gid, content: { kind: "bytes", bytes } };
    }
    case "ssh": {
      const { path } = cleanup.use(await forwardAgent(directory, `agent-${crypto.randomUUID()}`, mount));
      return { target, kind: "file", ...owner, content: { kind: "moved", source: path } };
    }
  }
}

function emptyDirectory(target: string): StandIn {
  const content = { kind: "filled", fill: () => undefined } as const;
  return { target, kind: "directory", mode: 0o755, uid: 0, gid: 0, content };
}

/** Returns a file that only this process writes. */
export function generatedFile(target: string, text: string): StandIn {
  const content = { kind: "bytes", bytes: Buffer.from(text) } as const;
  return { target, kind: "file", mode: 0o644, uid: 0, gid: 0, content };
}

/** Returns the sources that are moved, once each, in an order that is the same for all steps. */
export function movedSources(standIns: readonly StandIn[], own: string): string[] {
  const sources = standIns.flatMap(({ content }) => (content.kind === "moved" ? [content.source] : []));
  return [...new Set(sources)].filter((source) => !source.startsWith(join(own, "/"))).toSorted();
}
