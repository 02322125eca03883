import { VarveError } from "../../core/index.ts";
import { type SourceKey, localSourceOf, sourceDigest } from "../../llb/index.ts";
import type { SolverOp } from "../../solver/index.ts";
import { type OpDeps, holdFor } from "./deps.ts";
import type { Result } from "./result.ts";
import { gitSource } from "./source-git.ts";
import { httpSource } from "./source-http.ts";
import { imageBlobSource, layoutBlobSource } from "./source-blob.ts";
import { imageSource, layoutSource } from "./source-image.ts";
import { localSource } from "./source-local.ts";
import type { Source, SourceVertex } from "./source-types.ts";

/** Returns the op of a source vertex. A malformed source is an error when its key is computed, as an error of that vertex. */
export function sourceOp(vertex: SourceVertex, deps: OpDeps): SolverOp<Result> {
  let opened: Source | undefined;
  const source = (): Source => (opened ??= openSource(vertex, deps));
  let keys: readonly SourceKey[] | undefined;
  return {
    outputs: 1,
    resources: "io",
    cacheMap: async (index, context) => {
      keys ??= await source().keys(holdFor(deps, context), (report) => context.report(report));
      const key = keys[index];
      if (key === undefined)
        throw new VarveError(
          "internal",
          `Cannot compute key ${index} of ${vertex.op.identifier}: there are ${keys.length}`,
        );
      return { map: { digest: sourceDigest(key), inputs: [] }, done: index === keys.length - 1 };
    },
    execute: async (_inputs, context) => [
      await source().result(holdFor(deps, context), (report) => context.report(report)),
    ],
  };
}

function openSource(vertex: SourceVertex, deps: OpDeps): Source {
  const { identifier, attrs } = vertex.op;
  const local = localSourceOf(vertex.op);
  if (local !== undefined) return localSource(vertex, local, deps);
  const [, scheme = "", rest = ""] = /^([a-z0-9+-]+):\/\/(.*)$/s.exec(identifier) ?? [];
  switch (scheme) {
    case "docker-image":
      return imageSource(vertex, rest, deps);
    case "docker-image+blob":
      return imageBlobSource(vertex, rest, deps);
    case "oci-layout":
      return layoutSource(vertex, rest, deps);
    case "oci-layout+blob":
      return layoutBlobSource(vertex, rest, deps);
    case "http":
    case "https":
      return httpSource(identifier, attrs, deps);
    case "git":
      return gitSource(rest, attrs, deps, (commit) => deps.explaining?.versions.set(vertex.digest, commit));
    default:
      throw new VarveError("unsupported", `Cannot use source ${identifier}: unknown scheme`);
  }
}
