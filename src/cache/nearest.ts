import type { KeyDigest, KeyLink, Selector, VertexTrace } from "../solver/index.ts";
import type { LinkRow, SqliteKeyStore } from "./key-store.ts";
import { LOCAL_CACHE } from "./local-cache.ts";

/** One input of a record that nearly matched. */
export interface NearInput {
  readonly input: number;
  /** True if a key of the vertex's input leads to the record. */
  readonly isShared: boolean;
  /** The keys that lead to the record in this input. */
  readonly keys: readonly { readonly id: string; readonly selector: Selector | "" }[];
}

/** A record that nearly matched. */
export interface NearRecord {
  readonly record: string;
  /** `same-op`: the record has the same op but other inputs. `other-op`: it has the same inputs but another op. */
  readonly kind: "same-op" | "other-op";
  readonly digest: KeyDigest;
  readonly inputs: readonly NearInput[];
  /** Time of the newest result, in milliseconds since 1970; undefined if there is none. */
  readonly createdAt?: number | undefined;
}

/** The keys that a vertex looked up, by input, as `keyName` names them. */
type Tried = readonly ReadonlySet<string>[];

const keyName = (id: string, selector: string): string => `${id} ${selector}`;

function triedKeys(trace: VertexTrace): Tried {
  return trace.inputs.map(({ probes }) => {
    const local = probes.filter(({ cache }) => cache === LOCAL_CACHE);
    return new Set(local.map(({ record, key, selector = "" }) => keyName(record ?? key, selector)));
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
  const inputs = tried.map((triedOfInput, input): NearInput => {
    const linksOfInput = links.filter(({ link }) => link.input === input);
    return {
      input,
      isShared: linksOfInput.some(({ from, link }) => triedOfInput.has(keyName(from, link.selector))),
      keys: linksOfInput.map(({ from, link }) => ({ id: from, selector: link.selector })),
    };
  });
  const [newest] = keys.results(record);
  return { record, kind, digest, inputs, createdAt: newest?.createdAt };
}

/** Returns the records of the same op. */
function ofSameOp(keys: SqliteKeyStore, trace: VertexTrace): string[] {
  const rows = trace.ops.flatMap((digest): LinkRow[] => keys.linksOfOp(digest, trace.output));
  return rows.map(({ to }) => to);
}

/** Returns the records of other ops whose first input is that of the vertex. */
function ofSameInputs(keys: SqliteKeyStore, trace: VertexTrace, tried: Tried): string[] {
  const isAlike = (link: KeyLink): boolean =>
    link.input === 0 && link.output === trace.output && !trace.ops.includes(link.digest);
  return [...(tried[0] ?? [])].flatMap((name) => {
    const [id = "", selector = ""] = name.split(" ");
    const links = keys.outgoing(id).filter(({ link }) => isAlike(link) && link.selector === selector);
    return links.map(({ to }) => to);
  });
}

const sharedInputs = ({ inputs }: NearRecord): number => inputs.filter(({ isShared }) => isShared).length;

/**
 * Returns the records in the local cache that are most similar to what a vertex looked for and did not find, best first, at most
 * `limit`. First come records of the same op, by the number of shared inputs; then records of other ops with the same inputs.
 * Newer records come before older ones. A record with the same op and the same inputs is left out, because it is the one that
 * the vertex has written since.
 */
export function nearestRecords(keys: SqliteKeyStore, trace: VertexTrace, limit = 5): NearRecord[] {
  const tried = triedKeys(trace);
  const all = (kind: NearRecord["kind"], records: readonly string[]): NearRecord[] =>
    [...new Set(records)].map((record) => describe(keys, kind, record, tried)).filter((near) => near !== undefined);
  const same = all("same-op", ofSameOp(keys, trace)).filter((near) => sharedInputs(near) < tried.length);
  const other = all("other-op", ofSameInputs(keys, trace, tried)).filter((near) => sharedInputs(near) === tried.length);
  const byNearness = (a: NearRecord, b: NearRecord): number =>
    sharedInputs(b) - sharedInputs(a) || (b.createdAt ?? 0) - (a.createdAt ?? 0);
  return [...same.sort(byNearness), ...other.sort(byNearness)].slice(0, limit);
}
