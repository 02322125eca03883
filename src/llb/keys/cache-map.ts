import { type OrderedJson, VarveError, compareBytes, digestOf, goJson, hostPlatform } from "../../core/index.ts";
import { execKey } from "./exec-key.ts";
import { fileKey } from "./file-key.ts";
import { omitEmpty } from "../model/go-json.ts";
import type { OpKey } from "./op-key.ts";
import { type BuildOp, type DiffOp, EMPTY, type MergeOp, type PassthroughOp, type Vertex } from "../model/op.ts";

/**
 * Returns the cache key of a vertex as BuildKit computes it, without the keys of its inputs. The key of a source depends on
 * what the source resolves to: see `sourceDigest`.
 *
 * @throws {VarveError} `invalid-argument` for an op with invalid indexes; `unsupported` for a build op with a definition of its
 * own; `internal` for a source.
 */
export function cacheMapOf(vertex: Vertex): OpKey {
  const { op, inputs } = vertex;
  switch (op.kind) {
    case "exec":
      return execKey(op, inputs.length, vertex.platform ?? hostPlatform());
    case "file":
      return fileKey(op, inputs.length);
    case "merge":
      return lazyKey("merge", { Merge: mergeJson(op) }, inputs.length);
    case "diff":
      return lazyKey("diff", { Diff: diffJson(op) }, Number(op.lower !== EMPTY) + Number(op.upper !== EMPTY));
    case "build":
      return lazyKey("build", { Exec: buildJson(op) }, inputs.length);
    case "passthrough":
      return lazyKey("passthrough", { Passthrough: passthroughJson(op) }, inputs.length);
    case "source":
      throw new VarveError("internal", "Cannot make the cache key of a source from its definition alone");
  }
}

function lazyKey(type: string, body: Record<string, OrderedJson>, inputs: number): OpKey {
  return {
    digest: digestOf(goJson({ Type: `buildkit.${type}.v0`, ...body })),
    inputs: Array.from({ length: inputs }, () => ({ preload: false })),
  };
}

function mergeJson({ inputs }: MergeOp): OrderedJson {
  return omitEmpty({ inputs: inputs.map((input) => omitEmpty({ input })) });
}

function diffJson({ lower, upper }: DiffOp): OrderedJson {
  return { lower: omitEmpty({ input: lower }), upper: omitEmpty({ input: upper }) };
}

function passthroughJson({ id, outputs }: PassthroughOp): OrderedJson {
  return omitEmpty({ id, outputs });
}

function sortedByKey(map: ReadonlyMap<string, OrderedJson>): OrderedJson {
  if (map.size === 0) return undefined;
  const entries = [...map].sort(([a], [b]) => compareBytes(a, b));
  return new Map(entries);
}

function buildJson(op: BuildOp): OrderedJson {
  if (op.definition !== undefined)
    throw new VarveError("unsupported", "Cannot make the cache key of a build: its definition is inside the op");
  const inputs = new Map([...op.inputs].map(([name, input]) => [name, omitEmpty({ input })]));
  return omitEmpty({ builder: op.builder, inputs: sortedByKey(inputs), attrs: sortedByKey(op.attrs) });
}
