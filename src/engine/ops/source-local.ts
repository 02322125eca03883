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
      const startedAt = Date.now();
      const context = await deps.local(source);
      const completedAt = Date.now();
      report({ kind: "progress", id: `transferring ${source.name}:`, current: context.size, startedAt, completedAt });
      return { kind: "context", context };
    },
  };
}
