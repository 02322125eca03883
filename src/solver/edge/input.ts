import type { Digest } from "../../core/index.ts";
import type { CacheManager } from "../cache/cache-manager.ts";
import type { Consumer, EdgeNode, InputKey, InputNode } from "./nodes.ts";
import { type InputView, Level } from "./explore.ts";
import { type CacheKey, contentKey } from "../cache/key.ts";
import type { KeyLink } from "../cache/store.ts";
import type { InputTrace, ProbeTrace } from "../trace.ts";
import type { Selector } from "../cache/key-digest.ts";
import type { CacheMapInput } from "../vertex.ts";

/** A key's id in a cache: where a probe starts, or what it reached. */
export interface Location<R> {
  readonly cache: CacheManager<R>;
  readonly id: string;
}

export function locationName({ cache, id }: Location<unknown>): string {
  return `${cache.id} ${id}`;
}

/** One question to one cache: does this id of an input's key lead to a record of the op? */
export interface Probe<R> extends Location<R> {
  readonly key: CacheKey;
  readonly link: KeyLink;
}

export type ContentState =
  | { readonly kind: "none" }
  | { readonly kind: "unknown" }
  | { readonly kind: "computing" }
  /** The op has no content key for this result. */
  | { readonly kind: "absent" }
  | { readonly kind: "known"; readonly digest: Digest; readonly key: CacheKey };

/** The edge an input belongs to. */
export interface InputOwner<R> extends Consumer {
  /** Something that `view` shows, or that probes are made of, has changed. */
  changed(input: Input<R>): void;
  /** The input will tell of its edge's changes, or will not: nothing is wanted of it. */
  watch(input: Input<R>, isWatched: boolean): void;
}

/** One input of an edge: how much of it is wanted, and which records of the op its keys have led to. */
export class Input<R> implements Consumer, InputNode<R> {
  readonly index: number;
  readonly #owner: InputOwner<R>;
  readonly #source: EdgeNode<R>;
  #map: CacheMapInput<R> = {};
  #content: ContentState = { kind: "none" };
  #preload: "needed" | "running" | "done" = "done";
  #probing = 0;
  /** Records of the op that some key of this input leads to. */
  readonly reached: Map<string, Location<R>> = new Map();
  /** What each probe has found, by cache, id and selector. */
  readonly #found = new Map<string, Set<string>>();
  readonly #probes: ProbeTrace[] = [];
  #want: Level = Level.none;
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

  /** Probes under way. */
  get probing(): number {
    return this.#probing;
  }

  set probing(count: number) {
    this.#probing = count;
    this.#owner.changed(this);
  }

  /** Says how the input enters the op's key, once the cache map is known. */
  setMap(map: CacheMapInput<R>): void {
    this.#map = map;
    this.content = { kind: map.content === undefined ? "none" : "unknown" };
    this.preload = map.preload === undefined ? "done" : "needed";
  }

  get selector(): Selector | "" {
    return this.#map.selector ?? "";
  }

  /** The edge that stands for the input now: another one if it was merged. */
  get edge(): EdgeNode<R> {
    return this.#source.resolved();
  }

  get want(): Level {
    return this.#want;
  }

  wake(): void {
    this.#owner.changed(this);
    this.#owner.wake();
  }

  /** Wants the input's edge to get as far as `level`. */
  require(level: Level): void {
    if (level === this.#want) return;
    this.#want = level;
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

  /** Every key known to stand for the input, with the selector it is taken with. */
  *alternatives(): Iterable<InputKey> {
    for (const key of this.edge.knownKeys()) yield { key, selector: this.selector };
    if (this.content.kind === "known") yield { key: this.content.key, selector: "" };
  }

  /** Texts such that inputs of two edges with one in common are the same. */
  identities(): Set<string> {
    const found = new Set(this.edge.identities().map((identity) => `${this.selector} ${identity}`));
    if (this.content.kind === "known") found.add(` ${this.content.key.record}`);
    return found;
  }

  /** Questions not asked yet. Marks them as asked. */
  takeProbes(link: Omit<KeyLink, "input" | "selector">, caches: readonly CacheManager<R>[]): Probe<R>[] {
    const probes: Probe<R>[] = [];
    const offers = this.edge.offers().map((key) => ({ key, selector: this.selector }));
    const content = this.content.kind === "known" ? [{ key: this.content.key, selector: "" as const }] : [];
    for (const { key, selector } of [...offers, ...content]) {
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

  /** True if it is known that the probe's start leads to the record. */
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

  /** Says that the op begins to read this result of the input. */
  noteRead(result: R): void {
    this.#read = { result };
  }

  /** The result that the op has read stands for the input no more: it was rolled back, and perhaps made anew since. */
  get isStale(): boolean {
    const { state } = this.edge;
    return this.#read !== undefined && (state.kind !== "complete" || this.#read.result !== state.result);
  }

  /** Forgets what the input's result told: it has turned out to be unreadable. */
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
      probes: [...this.#probes],
      ...(this.content.kind === "known" ? { content: this.content.digest } : {}),
    };
  }

  /** A session's key is never stored, so there is nothing to ask; the trace says that it was there. */
  #noteSession(key: CacheKey, main: CacheManager<R> | undefined): void {
    if (!key.isSession || main === undefined || this.#probes.some((probe) => probe.key === key.record)) return;
    this.#probes.push({ kind: "definition", key: key.record, cache: main.id, found: [] });
  }
}

function probeName({ cache, id, link }: Probe<unknown>): string {
  return `${cache.id} ${id} ${link.selector}`;
}
