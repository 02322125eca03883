import { VarveError } from "../../core/index.ts";
import { encodeKey, encodeQuery } from "../encoding.ts";

/** Where a bucket is. */
export interface BucketPlace {
  readonly bucket: string;
  readonly region: string;
  /** URL of a compatible store. Undefined: Amazon's. */
  readonly endpoint?: string | undefined;
  /** True: the bucket is in the path of URLs, not in the host. Default: false. */
  readonly pathStyle?: boolean | undefined;
}

const BUCKET = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,253}[A-Za-z0-9])?$/;
const REGION = /^[A-Za-z0-9-]{1,64}$/;
/** Maximum length of a key, in bytes of UTF-8. */
const MAX_KEY = 1024;

function invalid(why: string): never {
  throw new VarveError("invalid-argument", `Cannot use S3: ${why}`);
}

/** Returns the domain of AWS services of a region. */
export function awsDomain(region: string): string {
  if (!REGION.test(region)) invalid(`${JSON.stringify(region)} is not a region`);
  return `${region}.amazonaws.com${region.startsWith("cn-") ? ".cn" : ""}`;
}

/** Makes the URLs of a bucket. */
export class BucketAddress {
  readonly place: BucketPlace;
  readonly #base: URL;
  readonly #path: string;

  /** @throws {VarveError} `invalid-argument` for a bucket, a region or an endpoint that cannot be part of a URL. */
  constructor(place: BucketPlace) {
    const { bucket, region, endpoint, pathStyle = false } = place;
    if (!BUCKET.test(bucket) || bucket.includes("..")) invalid(`${JSON.stringify(bucket)} is not the name of a bucket`);
    const base = endpointUrl(endpoint ?? `https://s3.${awsDomain(region)}`);
    // A certificate for *.host does not cover a bucket whose name has dots.
    const inPath = pathStyle || (bucket.includes(".") && base.protocol === "https:");
    this.place = place;
    this.#path = `${base.pathname.replace(/\/$/, "")}${inPath ? `/${bucket}` : ""}`;
    this.#base = inPath ? base : new URL(`${base.protocol}//${bucket}.${base.host}`);
  }

  /** For messages. */
  get host(): string {
    return this.#base.host;
  }

  /**
   * Returns the URL of a key, or of the bucket if the key is empty.
   *
   * @throws {VarveError} `invalid-argument` for a key that a URL cannot contain.
   */
  url(key: string, parameters: Readonly<Record<string, string>> = {}): URL {
    if (Buffer.byteLength(key) > MAX_KEY || !key.isWellFormed()) invalid(`key ${JSON.stringify(key)} is too long`);
    if (/(?:^|\/)\.{1,2}(?:\/|$)/.test(key)) invalid(`key ${JSON.stringify(key)} has a part that is "." or ".."`);
    const query = encodeQuery(parameters);
    return new URL(`${this.#path}/${encodeKey(key)}${query === "" ? "" : `?${query}`}`, this.#base);
  }
}

function endpointUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : invalid(`the endpoint is not a URL`);
  if (url.protocol !== "https:" && url.protocol !== "http:") invalid("the endpoint is not an HTTP URL");
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "")
    invalid("the endpoint has more than a host and a path");
  return url;
}
