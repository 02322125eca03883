import { type LocalSource, localKey } from "../../llb/index.ts";
import type { OpDeps } from "./deps.ts";
import type { Source } from "./source-types.ts";

/** A directory of this machine. Its key is good for one build: what it holds is found out when a step reads from it. */
export function localSource(source: LocalSource, deps: OpDeps): Source {
  const key = localKey(source.name, { ...source, sessionId: deps.hold.lease.id });
  return {
    keys: () => Promise.resolve([key]),
    result: async (_hold, report) => {
      const startedAt = Date.now();
      const context = await deps.local(source);
      const completedAt = Date.now();
      report({ kind: "progress", id: "transferring context:", current: context.size, startedAt, completedAt });
      return { kind: "context", context };
    },
  };
}
