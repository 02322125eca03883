import type { OutgoingHttpHeaders } from "node:http2";
import { GrpcCode } from "./code.ts";
import { GrpcError } from "./error.ts";

const KEY = /^[0-9a-z_.-]+$/;
const VALUE = /^[\x20-\x7e]*$/;

/**
 * Metadata of a call: keys in lower case, each with one or more values. Values that were sent as several header fields stay separate,
 * so that a value may contain commas.
 */
export class Metadata {
  readonly #values = new Map<string, string[]>();

  /** Reads the fields of an HTTP/2 header block: name, value, name, value, … Pseudo-header fields are left out. */
  static received(raw: readonly string[]): Metadata {
    const metadata = new Metadata();
    for (let at = 0; at + 1 < raw.length; at += 2) {
      const [key = "", value = ""] = [raw[at], raw[at + 1]];
      if (!key.startsWith(":")) metadata.#add(key.toLowerCase(), value);
    }
    return metadata;
  }

  static of(entries: Iterable<readonly [key: string, values: string | readonly string[]]>): Metadata {
    const metadata = new Metadata();
    for (const [key, values] of entries)
      for (const value of typeof values === "string" ? [values] : values) metadata.append(key, value);
    return metadata;
  }

  /** Returns the first value of a key. */
  get(key: string): string | undefined {
    return this.#values.get(key)?.[0];
  }

  all(key: string): readonly string[] {
    return this.#values.get(key) ?? [];
  }

  has(key: string): boolean {
    return this.#values.has(key);
  }

  keys(): Iterable<string> {
    return this.#values.keys();
  }

  /**
   * Adds a value to those of a key.
   *
   * @throws {GrpcError} `internal` for a key that is not in lower case, and for a value that is not printable ASCII.
   */
  append(key: string, value: string): this {
    if (!KEY.test(key)) throw new GrpcError(GrpcCode.internal, `header key ${JSON.stringify(key)} is not valid`);
    if (!VALUE.test(value))
      throw new GrpcError(
        GrpcCode.internal,
        `header key ${JSON.stringify(key)} contains value with non-printable ASCII characters`,
      );
    this.#add(key, value);
    return this;
  }

  /** Returns the metadata as Node sends it: one header field for each value. */
  toHeaders(): OutgoingHttpHeaders {
    return Object.fromEntries(
      [...this.#values].map(([key, values]) => [key, values.length === 1 ? values[0] : values]),
    );
  }

  #add(key: string, value: string): void {
    const values = this.#values.get(key);
    if (values === undefined) this.#values.set(key, [value]);
    else values.push(value);
  }
}
