import { digestOf, type Digest, type Platform } from "../../core/index.ts";
import { invalidOp } from "../model/invalid.ts";
import type { SourceOp } from "../model/op.ts";
import { decodeOp } from "./decode-op.ts";
import type { Definition } from "./definition.ts";
import { loading } from "./load.ts";
import { asText, ProtoWriter, readFields, replaceFields } from "./protobuf.ts";

const INPUTS_FIELD = 1;
const SOURCE_FIELD = 3;
const DIGEST_FIELD = 1;

/** A definition in which some ops were replaced. */
export interface Rewritten {
  readonly definition: Definition;
  /** For each op with another digest than before: its new digest, and the digest in the definition of the client. */
  readonly original: ReadonlyMap<Digest, Digest>;
}

/** A source op of a definition. */
export interface DefinedSource {
  readonly op: SourceOp;
  readonly platform: Platform | undefined;
}

/** Returns the source ops of a definition, by digest. Throws as `graphOf` for malformed ops. */
export function sourcesOf({ ops }: Definition): ReadonlyMap<Digest, DefinedSource> {
  return loading(() => {
    const sources = new Map<Digest, DefinedSource>();
    for (const bytes of ops) {
      if (![...readFields(bytes)].some(({ number }) => number === SOURCE_FIELD)) continue;
      const { op, platform } = decodeOp(bytes);
      if (op?.kind === "source") sources.set(digestOf(bytes), { op, platform });
    }
    return sources;
  });
}

/**
 * Replaces source ops of a definition. An op that depends on one of them gets the new digests of its inputs. All other bytes are
 * those of the client, so that the digests of other ops stay as they are.
 *
 * @throws {VarveError} `invalid-argument` for an op whose input is not in the definition, `corrupt`, as `graphOf`.
 */
export function replaceSources(definition: Definition, sources: ReadonlyMap<Digest, SourceOp>): Rewritten {
  if (sources.size === 0) return { definition, original: new Map() };
  return loading(() => {
    const renamed = new Map<Digest, Digest>();
    const written = new Map<Digest, Uint8Array>();
    const ops = new Map(definition.ops.map((bytes) => [digestOf(bytes), bytes]));
    for (const digest of inputsFirst(ops)) {
      const bytes = rewrite(ops.get(digest) ?? new Uint8Array(), sources.get(digest), renamed);
      const next = digestOf(bytes);
      if (next !== digest) renamed.set(digest, next);
      written.set(digest, bytes);
    }
    const newOf = (digest: Digest): Digest => renamed.get(digest) ?? digest;
    return {
      definition: {
        ...definition,
        ops: definition.ops.map((bytes) => written.get(digestOf(bytes)) ?? bytes),
        metadata: new Map([...definition.metadata].map(([digest, value]) => [newOf(digest), value])),
      },
      original: new Map([...renamed].map(([before, after]) => [after, before])),
    };
  });
}

/** Yields the digests of all ops, each one after its inputs. It does not recurse, because graphs may be deep. */
function* inputsFirst(ops: ReadonlyMap<Digest, Uint8Array>): Generator<Digest> {
  const done = new Set<Digest>();
  const frame = (digest: Digest): { readonly digest: Digest; readonly inputs: readonly Digest[]; next: number } => {
    const bytes = ops.get(digest);
    if (bytes === undefined) throw invalidOp(`invalid missing input digest ${digest}`);
    return { digest, inputs: decodeOp(bytes).inputs.map((input) => input.digest), next: 0 };
  };
  for (const digest of ops.keys()) {
    const stack = done.has(digest) ? [] : [frame(digest)];
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const input = top.inputs[top.next++];
      if (input !== undefined) {
        if (!done.has(input)) stack.push(frame(input));
      } else {
        stack.pop();
        if (!done.has(top.digest)) yield top.digest;
        done.add(top.digest);
      }
    }
  }
}

function rewrite(bytes: Uint8Array, source: SourceOp | undefined, renamed: ReadonlyMap<string, Digest>): Uint8Array {
  return replaceFields(bytes, (number, value) => {
    if (number === INPUTS_FIELD) return renamedInput(value, renamed);
    if (number !== SOURCE_FIELD || source === undefined) return undefined;
    return new ProtoWriter().bytes(1, source.identifier).strings(2, source.attrs).finish();
  });
}

function renamedInput(input: Uint8Array, renamed: ReadonlyMap<string, Digest>): Uint8Array | undefined {
  return replaceFields(input, (number, value) => {
    const digest = number === DIGEST_FIELD ? renamed.get(asText({ number, value })) : undefined;
    return digest === undefined ? undefined : Buffer.from(digest);
  });
}
