import { VarveError, digestOf, goJson, parseGoBool, parseGoDuration } from "../../core/index.ts";
import type { Environment, ObjectStore, S3Options } from "../../objectstore/index.ts";
import type { ObjectCache } from "./object-cache.ts";

type Attributes = Readonly<Record<string, string>>;

/** Default of `touch_refresh`, in milliseconds. */
const TOUCH_AFTER = 86_400_000;
const PARALLELISM = 4;
const NANOSECONDS_PER_MILLISECOND = 1_000_000;
/** Maximum of `upload_parallelism`: more would only fill memory. */
const MAX_PARALLELISM = 64;
const MAX_ATTEMPTS = 100;

function invalid(why: string): never {
  throw new VarveError("invalid-argument", `Cannot use S3 cache: ${why}`);
}

/**
 * Parses the attributes of `type=s3`, with BuildKit's names, defaults and messages. Nothing is sent.
 *
 * @throws {VarveError} `invalid-argument`
 */
export function parseS3Cache(attrs: Attributes, env: Environment = process.env): ObjectCache {
  const value = (key: string): string => (Object.hasOwn(attrs, key) ? (attrs[key] ?? "") : "");
  const bucket = value("bucket") || env["AWS_BUCKET"] || invalid("bucket ($AWS_BUCKET) not set for s3 cache");
  const region = value("region") || env["AWS_REGION"] || invalid("region ($AWS_REGION) not set for s3 cache");
  const endpoint = value("endpoint_url") || env["AWS_ENDPOINT_URL_S3"] || env["AWS_ENDPOINT_URL"] || undefined;
  const pathStyle = endpoint !== undefined && parseGoBool(value("use_path_style")) === true;
  const prefix = value("prefix");
  const keys = {
    documents: `${prefix}${attrs["manifests_prefix"] ?? "manifests/"}`,
    blobs: `${prefix}${attrs["blobs_prefix"] ?? "blobs/"}`,
  };
  const mode = value("retry_mode");
  if (mode !== "" && mode !== "standard" && mode !== "adaptive") invalid('retry_mode must be "standard" or "adaptive"');
  const attempts = positive(attrs, "retry_max_attempts", MAX_ATTEMPTS);
  const place = { bucket, region, endpoint, pathStyle };
  return {
    id: digestOf(goJson(Object.entries(attrs).map(([key, text]) => [key, text]))),
    source: s3Source({ ...place, blobs: keys.blobs }),
    name: `s3://${bucket}/${prefix}`,
    keys,
    names: namesOf(value("name")),
    touchAfter: durationOf(value("touch_refresh")),
    parallelism: positive(attrs, "upload_parallelism", MAX_PARALLELISM) ?? PARALLELISM,
    open: async () =>
      await openBucket({ ...place, ...keysOf(value), ...(attempts === undefined ? {} : { attempts }), env }),
  };
}

async function openBucket(options: S3Options): Promise<ObjectStore> {
  const { openS3 } = await import("../../objectstore/index.ts");
  return openS3(options);
}

/** The keys that the attributes give. Both are needed. */
function keysOf(value: (key: string) => string): Pick<S3Options, "keys"> {
  const accessKeyId = value("access_key_id");
  const secretAccessKey = value("secret_access_key");
  if (accessKeyId === "" || secretAccessKey === "") return {};
  return { keys: { accessKeyId, secretAccessKey, sessionToken: value("session_token") || undefined } };
}

/** The names of documents in `a;b`. */
function namesOf(text: string): readonly string[] {
  const names = text.split(";").filter((name) => name !== "");
  return names.length === 0 ? ["buildkit"] : names;
}

function positive(attrs: Attributes, key: string, most: number): number | undefined {
  const text = attrs[key];
  if (text === undefined) return undefined;
  if (!/^\+?\d{1,9}$/.test(text) || Number(text) === 0) invalid(`${key} must be a positive integer`);
  return Math.min(most, Number(text));
}

function durationOf(text: string): number {
  try {
    return text === "" ? TOUCH_AFTER : parseGoDuration(text) / NANOSECONDS_PER_MILLISECOND;
  } catch {
    // As by BuildKit.
    return TOUCH_AFTER;
  }
}

interface S3SourceParts {
  readonly bucket: string;
  readonly region: string;
  readonly endpoint: string | undefined;
  readonly pathStyle: boolean;
  /** What the keys of blobs begin with. */
  readonly blobs: string;
}

/** Returns the source of the layers of a cache: `s3://bucket/blobs%2F?region=…`. */
function s3Source({ bucket, region, endpoint, pathStyle, blobs }: S3SourceParts): string {
  const query = new URLSearchParams({ region });
  if (endpoint !== undefined) query.set("endpoint", endpoint);
  if (pathStyle) query.set("path-style", "true");
  return `s3://${bucket}/${encodeURIComponent(blobs)}?${query.toString()}`;
}

/**
 * Opens the store of a source that `parseS3Cache` returned, with the credentials of this machine. Returns what the keys of its blobs
 * begin with, too.
 *
 * @throws {VarveError} `invalid-argument`
 */
export async function openS3Source(
  source: string,
  env: Environment = process.env,
): Promise<{ readonly store: ObjectStore; readonly blobs: string }> {
  const url = new URL(source);
  const endpoint = url.searchParams.get("endpoint") ?? undefined;
  const region = url.searchParams.get("region") ?? "";
  const pathStyle = url.searchParams.has("path-style");
  const store = await openBucket({ bucket: url.host, region, endpoint, pathStyle, env });
  return { store, blobs: decodeURIComponent(url.pathname.slice(1)) };
}
