import type { CacheSpec } from "../src/engine/index.ts";
import { AZURE_ACCOUNT, azureMissing, startAzure } from "./azure-server.ts";
import { type S3ServerOptions, S3_KEYS, s3Missing, startS3 } from "./s3-server.ts";

/** A server of object stores. */
export interface ObjectServer extends AsyncDisposable {
  /** `127.0.0.1:<port>`. */
  readonly host: string;
}

type Refused = readonly [attributes: Readonly<Record<string, string>>, message: RegExp];

/** A type of cache in an object store, as tests use it. */
export interface ObjectBackEnd {
  readonly type: "azblob" | "s3";
  /** Why the server cannot be started here; undefined if it can. */
  readonly missing: () => string | undefined;
  readonly start: (options?: S3ServerOptions) => Promise<ObjectServer>;
  /** Attributes of a cache whose keys begin with `<prefix>/`, on a server at `host`. */
  readonly attributes: (host: string, prefix: string) => Record<string, string>;
  /** The attributes with keys, which are replaced by empty texts to use those of the environment. */
  readonly keys: readonly string[];
  /** Variables of the environment with the same keys. */
  readonly environment: Readonly<Record<string, string>>;
  /** Attributes that are wrong, and what is said then. */
  readonly wrong: readonly Refused[];
  /** Attributes with which the store refuses, and what it says then. */
  readonly refused: readonly [Refused, ...Refused[]];
  /** The body of a response for an object that does not exist. */
  readonly notFound: string;
}

const notFound = (code: string): string => `<Error><Code>${code}</Code></Error>`;

const s3: ObjectBackEnd = {
  type: "s3",
  missing: s3Missing,
  start: startS3,
  attributes: (host, prefix) => ({
    bucket: "bk",
    region: "us-east-1",
    endpoint_url: `http://${host}`,
    use_path_style: "true",
    prefix: `${prefix}/`,
    access_key_id: S3_KEYS.id,
    secret_access_key: S3_KEYS.secret,
  }),
  keys: ["access_key_id", "secret_access_key"],
  environment: { AWS_ACCESS_KEY_ID: S3_KEYS.id, AWS_SECRET_ACCESS_KEY: S3_KEYS.secret },
  wrong: [
    [{ upload_parallelism: "0" }, /upload_parallelism must be a positive integer/],
    [{ retry_mode: "x" }, /retry_mode must be "standard" or "adaptive"/],
    [{ bucket: "" }, /bucket \(\$AWS_BUCKET\) not set/],
  ],
  refused: [
    [{ bucket: "absent" }, /NoSuchBucket/],
    [{ secret_access_key: "wrong-secret-access-key" }, /SignatureDoesNotMatch/],
    [{ endpoint_url: "http://127.0.0.1:9" }, /ECONNREFUSED/],
  ],
  notFound: notFound("NoSuchKey"),
};

const azblob: ObjectBackEnd = {
  type: "azblob",
  missing: azureMissing,
  start: () => startAzure(),
  attributes: (host, prefix) => ({
    account_url: `http://${host}/${AZURE_ACCOUNT.name}`,
    account_name: AZURE_ACCOUNT.name,
    prefix: `${prefix}/`,
    secret_access_key: AZURE_ACCOUNT.key,
  }),
  keys: ["secret_access_key"],
  environment: { AZURE_STORAGE_ACCOUNT: AZURE_ACCOUNT.name, AZURE_STORAGE_KEY: AZURE_ACCOUNT.key },
  wrong: [
    [{ account_url: "" }, /either \$\{BUILDKIT_AZURE_STORAGE_ACCOUNT_URL\} or account_url attribute is required/],
    [{ container: "cc" }, /"cc" is not the name of a container/],
    [{ secret_access_key: "not base64!" }, /not base64/],
  ],
  refused: [
    [{ secret_access_key: "d3Jvbmctc2VjcmV0LWFjY2Vzcy1rZXk=" }, /Auth(?:entication|orization)Fail/],
    [{ account_url: "http://127.0.0.1:9/acct" }, /ECONNREFUSED/],
  ],
  notFound: notFound("BlobNotFound"),
};

/** The types of caches in object stores. Tests of what they have in common run for each. */
export const OBJECT_BACK_ENDS: readonly ObjectBackEnd[] = [s3, azblob];

/** Returns a cache as `--cache-to` and `--cache-from` take it. */
export function cacheText({ type, attrs }: CacheSpec): string {
  return [`type=${type}`, ...Object.entries(attrs).map(([key, value]) => `${key}=${value}`)].join(",");
}
