import { VarveError, digestOf, goJson, parseGoDuration } from "../../core/index.ts";

/** The attributes of a cache, as the user gave them. */
export type CloudAttributes = Readonly<Record<string, string>>;

const NANOSECONDS_PER_MILLISECOND = 1_000_000;
/** Default of `touch_refresh`, in milliseconds. */
const TOUCH_AFTER = 86_400_000;
/** Default and maximum of `upload_parallelism`: more would only fill memory. */
const PARALLELISM = 4;
const MAX_PARALLELISM = 64;
const MAX_ATTEMPTS = 100;

/** Reads the attributes that the types of caches in clouds have in common. `what` is for messages: `S3 cache`. */
export class CloudAttributeReader {
  readonly #attrs: CloudAttributes;
  readonly #what: string;

  constructor(attrs: CloudAttributes, what: string) {
    this.#attrs = attrs;
    this.#what = what;
  }

  /** @throws {VarveError} `invalid-argument` */
  invalid(why: string): never {
    throw new VarveError("invalid-argument", `Cannot use ${this.#what}: ${why}`);
  }

  /** An attribute, or undefined if it was not given. */
  given(key: string): string | undefined {
    return Object.hasOwn(this.#attrs, key) ? this.#attrs[key] : undefined;
  }

  /** An attribute, or the empty text. */
  text(key: string): string {
    return this.given(key) ?? "";
  }

  /** Identifies all attributes. It is a digest, because they contain secrets. */
  get id(): string {
    return digestOf(goJson(Object.entries(this.#attrs).map(([key, text]) => [key, text])));
  }

  /** The names of documents in `a;b`. */
  get names(): readonly string[] {
    const names = this.text("name")
      .split(";")
      .filter((name) => name !== "");
    return names.length === 0 ? ["buildkit"] : names;
  }

  /** Milliseconds after which blobs are touched. What is no duration counts as absent, as by BuildKit. */
  get touchAfter(): number {
    return this.duration("touch_refresh") ?? TOUCH_AFTER;
  }

  get parallelism(): number {
    return this.#positive("upload_parallelism", MAX_PARALLELISM) ?? PARALLELISM;
  }

  /** The limits of requests. */
  get limits(): { readonly attempts?: number | undefined; readonly idleTimeout?: number | undefined } {
    return { attempts: this.#positive("retry_max_attempts", MAX_ATTEMPTS), idleTimeout: this.duration("idle_timeout") };
  }

  /** A duration in milliseconds; undefined for what is none. */
  duration(key: string): number | undefined {
    const text = this.text(key);
    try {
      return text === "" ? undefined : parseGoDuration(text) / NANOSECONDS_PER_MILLISECOND;
    } catch {
      return undefined;
    }
  }

  #positive(key: string, most: number): number | undefined {
    const text = this.given(key);
    if (text === undefined) return undefined;
    if (!/^\+?\d{1,9}$/.test(text) || Number(text) === 0) this.invalid(`${key} must be a positive integer`);
    return Math.min(most, Number(text));
  }
}
