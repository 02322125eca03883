import { localKey } from "../../llb/index.ts";
import type { OpDeps } from "./deps.ts";
import type { Source } from "./source-types.ts";

/** A directory of this machine. Its key is good for one build: what it holds is found out when a step reads from it. */
export function localSource(name: string, attrs: ReadonlyMap<string, string>, deps: OpDeps): Source {
  const list = <K extends string>(key: K, attr: string): { readonly [P in K]?: string[] } =>
    attrs.has(attr) ? ({ [key]: JSON.parse(attrs.get(attr) ?? "[]") as string[] } as { [P in K]: string[] }) : {};
  const key = localKey(name, {
    sessionId: deps.hold.lease.id,
    ...list("includePatterns", "local.includepattern"),
    ...list("excludePatterns", "local.excludepatterns"),
    ...list("followPaths", "local.followpaths"),
  });
  return {
    keys: () => Promise.resolve([key]),
    result: async (_hold, report) => {
      const startedAt = Date.now();
      const context = await deps.local(name, attrs);
      const completedAt = Date.now();
      report({ kind: "progress", id: "transferring context:", current: context.size, startedAt, completedAt });
      return { kind: "context", context };
    },
  };
}
