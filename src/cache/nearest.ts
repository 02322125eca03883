import type { KeyDigest, KeyLink, Selector, VertexTrace } from "../solver/index.ts";
import type { LinkRow, SqliteKeyStore } from "./key-store.ts";
import { LOCAL_CACHE } from "./local-cache.ts";

/** What a record has in one of its inputs. */
export interface NearInput {
  readonly input: number;
  /** A key of the vertex's own input leads to the record as well. */
  readonly isShared: boolean;
  /** The keys that lead to the record in this input. */
  readonly keys: readonly { readonly id: string; readonly selector: Selector | "" }[];
}

/** A record that nearly served. */
export interface NearRecord {
  readonly record: string;
  /** `same-op`: another input was asked for. `other-op`: the same inputs went into another op. */
  readonly kind: "same-op" | "other-op";
  readonly digest: KeyDigest;
  readonly inputs: readonly NearInput[];
  /** Of its newest result, in milliseconds since 1970; undefined if it has none. */
  readonly createdAt?: number | undefined;
}

/** Ids and selectors of the keys a vertex tried, by input. */
type Tried = readonly ReadonlySet<string>[];

const nameOf = (id: string, selector: string): string => `${id} ${selector}`;

function triedKeys(trace: VertexTrace): Tried {
  return trace.inputs.map(({ probes }) => {
    const local = probes.filter(({ cache }) => cache === LOCAL_CACHE);
    return new Set(local.map(({ record, key, selector = "" }) => nameOf(record ?? key, selector)));
  });
}

function describe(
  keys: SqliteKeyStore,
  kind: NearRecord["kind"],
  record: string,
  tried: Tried,
): NearRecord | undefined {
  const links = keys.backlinks(record);
  const digest = links[0]?.link.digest;
  if (digest === undefined) return undefined;
  const inputs = tried.map((mine, input): NearInput => {
    const here = links.filter(({ link }) => link.input === input);
    return {
      input,
      isShared: here.some(({ from, link }) => mine.has(nameOf(from, link.selector))),
      keys: here.map(({ from, link }) => ({ id: from, selector: link.selector })),
    };
  });
  const [newest] = keys.results(record);
  return { record, kind, digest, inputs, ...(newest === undefined ? {} : { createdAt: newest.createdAt }) };
}

/** Records of the same op: some input of theirs differs. */
function ofSameOp(keys: SqliteKeyStore, trace: VertexTrace): string[] {
  const rows = trace.ops.flatMap((digest): LinkRow[] => keys.linksOfOp(digest, trace.output));
  return rows.map(({ to }) => to);
}

/** Records of other ops that took what this vertex takes as its first input. */
function ofSameInputs(keys: SqliteKeyStore, trace: VertexTrace, tried: Tried): string[] {
  const isAlike = (link: KeyLink): boolean =>
    link.input === 0 && link.output === trace.output && !trace.ops.includes(link.digest);
  return [...(tried[0] ?? [])].flatMap((name) => {
    const [id = "", selector = ""] = name.split(" ");
    const links = keys.outgoing(id).filter(({ link }) => isAlike(link) && link.selector === selector);
    return links.map(({ to }) => to);
  });
}

const shared = ({ inputs }: NearRecord): number => inputs.filter(({ isShared }) => isShared).length;

/**
 * The records in the local cache that come nearest to what a vertex looked for and did not find, the nearest first: those
 * of the same op by the number of inputs they share, then those of another op on the very same inputs; newer ones before
 * older ones. A record that shares all inputs and the op is left out: that is the one the vertex itself has left since.
 */
export function nearestRecords(keys: SqliteKeyStore, trace: VertexTrace, limit = 5): NearRecord[] {
  const tried = triedKeys(trace);
  const all = (kind: NearRecord["kind"], records: readonly string[]): NearRecord[] =>
    [...new Set(records)].map((record) => describe(keys, kind, record, tried)).filter((near) => near !== undefined);
  const same = all("same-op", ofSameOp(keys, trace)).filter((near) => shared(near) < tried.length);
  const other = all("other-op", ofSameInputs(keys, trace, tried)).filter((near) => shared(near) === tried.length);
  const byNearness = (a: NearRecord, b: NearRecord): number =>
    shared(b) - shared(a) || (b.createdAt ?? 0) - (a.createdAt ?? 0);
  return [...same.sort(byNearness), ...other.sort(byNearness)].slice(0, limit);
}
