import { VarveError } from "../../core/index.ts";
import { bytesOf, collect } from "../../io/index.ts";
import type { ActionsCache, Asking } from "../../objectstore/index.ts";
import { MAX_CONFIG } from "../document/config.ts";
import { ghaIndexPrefix } from "./gha-keys.ts";
import { type ObjectDocument, descriptorOf } from "./object-document.ts";

/** The outcome of writing a version. */
export type VersionWritten =
  /** `isNext`: no other writer can have written since the version that was read. */
  | { readonly kind: "written"; readonly key: string; readonly isNext: boolean }
  | { readonly kind: "conflict" }
  | { readonly kind: "refused"; readonly why: string };

/** After this time, a version that is reserved and does not appear counts as that of a job that has ended. In milliseconds. */
const DEAD = 15_000;
/** Maximum number of such versions. */
const MAX_DEAD = 100;

/**
 * A document in the cache service. Entries are immutable: each version is an entry of its own, with a number. Reserving the next number
 * is a compare-and-swap.
 */
export class GhaIndex {
  readonly prefix: string;
  /** The ref that it belongs to. */
  readonly ref: string;
  readonly #service: ActionsCache;
  readonly #dead: number;
  /** The version that another job has reserved, and when that was seen first. */
  #blocked: { readonly key: string; readonly since: number } | undefined;

  constructor(service: ActionsCache, scope: string, ref: string, { dead = DEAD }: { readonly dead?: number } = {}) {
    this.prefix = ghaIndexPrefix(scope, ref);
    this.ref = ref;
    this.#service = service;
    this.#dead = dead;
  }

  /** Shown to users. */
  get name(): string {
    return `${this.#service.name}/${this.prefix.slice(0, -1)}`;
  }

  /** Returns the key of the newest version. */
  async version(asking: Asking): Promise<string | undefined> {
    return await this.#service.find(this.prefix, asking);
  }

  /** Reads the newest version; its ETag is its key. */
  async read(asking: Asking): Promise<ObjectDocument | undefined> {
    const opened = await this.#service.newest(this.prefix, asking);
    if (opened === undefined) return undefined;
    const bytes = await collect(opened.object.bytes, MAX_CONFIG, { what: opened.key });
    return { descriptor: descriptorOf(bytes), bytes, etag: opened.key };
  }

  /** Writes a version after the one with the key `before`, unless another job has. */
  async write(bytes: Uint8Array, before: string | undefined, asking: Asking): Promise<VersionWritten> {
    const next = this.#numberOf(before) + 1;
    const body = { size: bytes.byteLength, open: () => bytesOf(bytes) };
    for (let number = next; number < next + MAX_DEAD; number += 1) {
      const key = `${this.prefix}${number}`;
      const written = await this.#service.write(key, body, asking);
      if (written.kind === "written") return { kind: "written", key, isNext: number === next };
      if (written.kind === "refused") return written;
      if (number === next && !this.#isDead(key)) return { kind: "conflict" };
    }
    throw new VarveError("busy", `Cannot write ${this.name}: too many versions are reserved and were never written`);
  }

  #numberOf(key: string | undefined): number {
    const digits = /^\d{1,15}$/.exec(key?.slice(this.prefix.length) ?? "");
    return digits === null ? 0 : Number(digits[0]);
  }

  /** True for a version that has been reserved for long, and has not been written. */
  #isDead(key: string): boolean {
    if (this.#blocked?.key !== key) this.#blocked = { key, since: performance.now() };
    return performance.now() - this.#blocked.since >= this.#dead;
  }
}
