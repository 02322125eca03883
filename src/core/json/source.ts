import { VarveError } from "../error.ts";
import type { ErrorCode } from "../error-code.ts";
import { measureJson } from "./measure.ts";

/** Documents are a few levels deep; this leaves room for fields that Varve does not know. */
const MAX_DEPTH = 64;
const MAX_VALUES = 2_000_000;

/** How a JSON document is read. */
export interface JsonOptions {
  /** The code of errors about the document's contents. Default: `corrupt`. */
  readonly code?: ErrorCode | undefined;
  /** Maximum size in bytes. Default: none; the caller has bounded what it read. */
  readonly limit?: number | undefined;
  /** `any-case` matches the names of fields as Go's `encoding/json` does. Default: `exact`. */
  readonly fieldNames?: "exact" | "any-case" | undefined;
  /** Makes every error about the document. `cause` is the syntax error, if there is one. */
  readonly error?: ((state: string, cause?: unknown) => Error) | undefined;
}

/** A document that is being read: what to call it, and how its errors are made. */
export class JsonSource {
  readonly what: string;
  readonly anyCase: boolean;
  readonly #options: JsonOptions;

  constructor(what: string, options: JsonOptions) {
    this.what = what;
    this.anyCase = options.fieldNames === "any-case";
    this.#options = options;
  }

  fail(state: string, cause?: unknown): never {
    throw this.#error("corrupt", state, cause);
  }

  failLimit(state: string): never {
    throw this.#error("limit-exceeded", state);
  }

  /** Decodes and parses. As in Go, bytes that are not UTF-8 become U+FFFD and a byte order mark is a syntax error. */
  parse(source: string | Uint8Array): unknown {
    const bytes = typeof source === "string" ? Buffer.from(source) : source;
    const { limit = Infinity } = this.#options;
    if (bytes.byteLength > limit) this.failLimit(`it is larger than ${limit} bytes`);
    const { values, depth } = measureJson(bytes);
    if (values > MAX_VALUES) this.failLimit(`it has more than ${MAX_VALUES} values`);
    if (depth > MAX_DEPTH) this.failLimit("it is nested too deep");
    try {
      const text = typeof source === "string" ? source : new TextDecoder("utf-8", { ignoreBOM: true }).decode(source);
      return JSON.parse(text);
    } catch (error) {
      return this.fail("it is not JSON", error);
    }
  }

  #error(fallback: "corrupt" | "limit-exceeded", state: string, cause?: unknown): Error {
    const { error, code = "corrupt" } = this.#options;
    if (error !== undefined) return error(state, cause);
    return new VarveError(fallback === "corrupt" ? code : fallback, `Cannot read ${this.what}: ${state}`, { cause });
  }
}
