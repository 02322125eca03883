import type { Digest } from "../../core/index.ts";
import type { CacheManager } from "../cache/cache-manager.ts";
import type { Consumer, EdgeNode, InputNode } from "./nodes.ts";
import { type InputView, Level } from "./explore.ts";
import { type CacheKey, type KeyAlternative, contentKey } from "../cache/key.ts";
import type { KeyLink } from "../cache/store.ts";
import type { InputTrace, ProbeTrace } from "../trace.ts";
import type { Selector } from "../cache/key-digest.ts";
import type { CacheMapInput } from "../vertex.ts";

/** The id of a key in one cache. */
export interface Location<R> {
  readonly cache: CacheManager<R>;
  readonly id: string;
}

/** Returns a string that is equal for equal locations. */
export function locationName({ cache, id }: Location<unknown>): string {
  return `${cache.id} ${id}`;
}

/** One lookup in one cache: does this id of an input's key lead to a record of the op? */
export interface Probe<R> extends Location<R> {
  readonly key: CacheKey;
  readonly link: KeyLink;
}

/** What is known about an input's content key. `none`: the op computes no content keys for this input. */
export type ContentState =
  | { readonly kind: "none" }
  | { readonly kind: "unknown" }
  | { readonly kind: "computing" }
  /** The op has no content key for this result. */
  | { readonly kind: "absent" }
  | { readonly kind: "known"; readonly digest: Digest; readonly key: CacheKey };

/** The edge that an input belongs to. */
export interface InputOwner<R> extends Consumer {
  /** Called when the input's view or its keys may have changed. */
  changed(input: EdgeInput<R>): void;
  /** Called when the input starts or stops to report changes of its edge. It reports none while nothing is required of it. */
  watch(input: EdgeInput<R>, isWatched: boolean): void;
}

/** One input of an edge: the level that is required of it, and the records of the op that its keys lead to. */
export class EdgeInput<R> implements Consumer, InputNode<R> {
  readonly index: number;
  readonly #owner: InputOwner<R>;
  readonly #source: EdgeNode<R>;
  #map: CacheMapInput<R> = {};
  #content: ContentState = { kind: "none" };
  #preload: "needed" | "running" | "done" = "done";
  #probing = 0;
  /** Records of the op that a key of this input leads to. */
  readonly reached: Map<string, Location<R>> = new Map();
  /** What each lookup found, by `probeName`. */
  readonly #found = new Map<string, Set<string>>();
  readonly #probes: ProbeTrace[] = [];
  #required: Level = Level.none;
  /** The result that the op has read, if any. */
  #read: { readonly result: R } | undefined;

  constructor(owner: InputOwner<R>, source: EdgeNode<R>, index: number) {
    this.#owner = owner;
    this.#source = source;
    this.index = index;
  }

  get content(): ContentState {
    return this.#content;
  }

  set content(state: ContentState) {
    this.#content = state;
    this.#owner.changed(this);
  }

  get preload(): "needed" | "running" | "done" {
    return this.#preload;
  }

  set preload(state: "needed" | "running" | "done") {
    this.#preload = state;
    this.#owner.changed(this);
  }

  /** Number of running lookups. */
  get probing(): number {
    return this.#probing;
  }

  set probing(count: number) {
    this.#probing = count;
    this.#owner.changed(this);
  }

  /** Sets how the input contributes to the op's key. Called when the cache map is known. */
  setMap(map: CacheMapInput<R>): void {
    this.#map = map;
    this.content = { kind: map.content === undefined ? "none" : "unknown" };
    this.preload = map.preload === undefined ? "done" : "needed";
  }

  get selector(): Selector | "" {
    return this.#map.selector ?? "";
  }

  /** The edge that the input comes from, or the edge it was merged into. */
  get edge(): EdgeNode<R> {
    return this.#source.resolved();
  }

  get required(): Level {
    return this.#required;
  }

  wake(): void {
    this.#owner.changed(this);
    this.#owner.wake();
  }

  /** Requires a level of the input's edge. */
  require(level: Level): void {
    if (level === this.#required) return;
    this.#required = level;
    this.#owner.watch(this, level > Level.none);
    this.edge.require(this, level);
  }

  view(): InputView {
    const { level, state } = this.edge;
    const { kind } = this.#content;
    const isMade = level === Level.complete && this.#preload === "done";
    return {
      level,
      matched: this.reached.size > 0,
      busy: this.#probing > 0,
      content: kind,
      ready: isMade && kind !== "unknown" && kind !== "computing",
      failed: state.kind === "failed",
    };
  }

  /** Yields every known key of the input, with its selector. */
  *alternatives(): Iterable<KeyAlternative> {
    const isKnown = this.content.kind === "known";
    const searched = this.edge.searchKeys();
    for (const key of this.edge.knownKeys()) {
      const isWeak = this.#map.byContent === true || (isKnown && !searched.includes(key));
      yield { key, selector: this.selector, ...(isWeak ? { isWeak } : {}) };
    }
    if (this.content.kind === "known") yield { key: this.content.key, selector: "" };
  }

  /**
   * True if records are found by the content of a result that was made again. The input's definition keys lead to the newest
   * record, so a record that is found has to become that.
   */
  get isRemade(): boolean {
    if (this.content.kind !== "known" || this.#map.byContent === true) return false;
    return this.edge.searchKeys().length < this.edge.knownKeys().length;
  }

  /** Returns strings that identify the input: two inputs that share one are the same. */
  identities(): Set<string> {
    const identities = new Set(this.edge.identities().map((identity) => `${this.selector} ${identity}`));
    if (this.content.kind === "known") identities.add(` ${this.content.key.record}`);
    return identities;
  }

  /** Returns the lookups that were not made yet, and marks them as made. */
  takeProbes(link: Omit<KeyLink, "input" | "selector">, caches: readonly CacheManager<R>[]): Probe<R>[] {
    const probes: Probe<R>[] = [];
    const keys = this.#map.byContent === true ? [] : this.edge.searchKeys();
    const definition = keys.map((key) => ({ key, selector: this.selector }));
    const content = this.content.kind === "known" ? [{ key: this.content.key, selector: "" as const }] : [];
    for (const { key, selector } of [...definition, ...content]) {
      this.#noteSession(key, caches[0]);
      for (const cache of caches)
        for (const id of key.idsIn(cache.id)) {
          const probe = { cache, id, key, link: { ...link, input: this.index, selector } };
          if (this.#found.has(probeName(probe))) continue;
          this.#found.set(probeName(probe), new Set());
          probes.push(probe);
        }
    }
    return probes;
  }

  /** Records the ids that a lookup found. */
  note(probe: Probe<R>, found: readonly string[]): void {
    const { cache, id, key, link } = probe;
    for (const record of found) {
      this.noteLink(probe, record);
      const location = { cache, id: record };
      this.reached.set(locationName(location), location);
    }
    this.#owner.changed(this);
    const { selector } = link;
    this.#probes.push({
      kind: key.vertex === undefined ? "content" : "definition",
      key: key.record,
      ...(key.isRoot ? {} : { record: id }),
      ...(selector === "" ? {} : { selector }),
      cache: cache.id,
      found: [...found],
    });
  }

  /** True if the id of the probe is known to lead to the record. */
  hasLink(probe: Probe<R>, record: string): boolean {
    return this.#found.get(probeName(probe))?.has(record) === true;
  }

  noteLink(probe: Probe<R>, record: string): void {
    const name = probeName(probe);
    this.#found.set(name, (this.#found.get(name) ?? new Set()).add(record));
  }

  setContent(digest: Digest | undefined): void {
    this.content = digest === undefined ? { kind: "absent" } : { kind: "known", digest, key: contentKey(digest) };
  }

  /** Records that the op begins to read this result of the input. */
  noteRead(result: R): void {
    this.#read = { result };
  }

  /** True if the op has read a result that was rolled back since. */
  get isStale(): boolean {
    const { state } = this.edge;
    return this.#read !== undefined && (state.kind !== "complete" || this.#read.result !== state.result);
  }

  /** Forgets everything that was learned from the input's result, because it is unreadable. */
  forgetResult(): void {
    this.#read = undefined;
    this.setMap(this.#map);
    this.reached.clear();
    this.#found.clear();
    this.#owner.changed(this);
  }

  trace(): InputTrace {
    const { vertex, output } = this.#source;
    return {
      vertex: vertex.digest,
      output,
      roots: this.edge.keys.filter(({ isRoot }) => isRoot).map(({ record }) => record),
      probes: [...this.#probes],
      ...(this.content.kind === "known" ? { content: this.content.digest } : {}),
    };
  }

  /** Adds a session key to the trace. It is never stored, so no cache is asked. */
  #noteSession(key: CacheKey, main: CacheManager<R> | undefined): void {
    if (!key.isSession || main === undefined || this.#probes.some((probe) => probe.key === key.record)) return;
    this.#probes.push({ kind: "definition", key: key.record, cache: main.id, found: [] });
  }
}

/** Returns the results of the inputs that have one, and records that the op reads them. */
export function readResults<R>(inputs: readonly EdgeInput<R>[]): R[] {
  return inputs.flatMap((input) => {
    const { state } = input.edge;
    if (state.kind !== "complete") return [];
    input.noteRead(state.result);
    return [state.result];
  });
}

function probeName({ cache, id, link }: Probe<unknown>): string {
  return `${cache.id} ${id} ${link.selector}`;
}
