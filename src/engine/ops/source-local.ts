import { type LocalSource, localKey } from "../../llb/index.ts";
import type { OpDeps } from "./deps.ts";
import type { Source, SourceVertex } from "./source-types.ts";

/**
 * Returns the source of a local directory. Its key is valid for one vertex of concurrent builds: other clients may have other
 * directories of the same name. Its files are hashed when a step reads them.
 */
export function localSource({ digest }: SourceVertex, source: LocalSource, deps: OpDeps): Source {
  const key = localKey(source.name, { ...source, sessionId: `${deps.hold.lease.id} ${digest}` });
  return {
    keys: () => Promise.resolve([key]),
    result: async (_hold, report) => {
      const progress = { kind: "progress", id: `transferring ${source.name}:`, startedAt: Date.now() } as const;
      let sent: number | undefined;
      const context = await deps.local(source, (bytes) => {
        sent = bytes;
        report({ ...progress, current: bytes });
      });
      report({ ...progress, current: sent ?? context.size, completedAt: Date.now() });
      return { kind: "context", context };
    },
  };
}
