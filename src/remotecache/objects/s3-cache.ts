import { goJson, parseGoBool } from "../../core/index.ts";
import type { Environment, ObjectStore, S3Options } from "../../objectstore/index.ts";
import { type CloudAttributes, CloudAttributeReader } from "./cloud-attributes.ts";
import type { CloudBlobs, CloudCache } from "./cloud-cache.ts";
import { objectBlobs, objectCache } from "./object-cache.ts";
import type { ObjectCachePlace } from "./object-place.ts";

/**
 * Parses the attributes of `type=s3`, with BuildKit's names, defaults and messages. Nothing is sent.
 *
 * @throws {VarveError} `invalid-argument`
 */
export function parseS3Cache(attrs: CloudAttributes, env: Environment = process.env): CloudCache {
  const read = new CloudAttributeReader(attrs, "S3 cache");
  const bucket = read.text("bucket") || env["AWS_BUCKET"] || read.invalid("bucket ($AWS_BUCKET) not set for s3 cache");
  const region = read.text("region") || env["AWS_REGION"] || read.invalid("region ($AWS_REGION) not set for s3 cache");
  const endpoint = read.text("endpoint_url") || env["AWS_ENDPOINT_URL_S3"] || env["AWS_ENDPOINT_URL"] || undefined;
  const pathStyle = endpoint !== undefined && parseGoBool(read.text("use_path_style")) === true;
  const prefix = read.text("prefix");
  const keys = {
    documents: `${prefix}${read.given("manifests_prefix") ?? "manifests/"}`,
    blobs: `${prefix}${read.given("blobs_prefix") ?? "blobs/"}`,
  };
  const mode = read.text("retry_mode");
  if (mode !== "" && mode !== "standard" && mode !== "adaptive")
    read.invalid('retry_mode must be "standard" or "adaptive"');
  const { id, names, limits, touchAfter, parallelism } = read;
  const bucketPlace = { bucket, region, endpoint, pathStyle };
  const source = s3Source({ ...bucketPlace, blobs: keys.blobs });
  const name = `s3://${bucket}/${prefix}`;
  const place: ObjectCachePlace = { source, name, keys, names, reads: names.slice(0, 1), touchAfter, parallelism };
  const options: S3Options = { ...bucketPlace, ...keysOf(read), ...limits, env };
  return {
    type: "s3",
    id,
    source,
    name,
    documents: goJson([source, keys.documents, names]),
    open: async () => objectCache(await openBucket(options), place),
  };
}

async function openBucket(options: S3Options): Promise<ObjectStore> {
  const { openS3 } = await import("../../objectstore/index.ts");
  return openS3(options);
}

/** The keys that the attributes give. Both are needed. */
function keysOf(read: CloudAttributeReader): Pick<S3Options, "keys"> {
  const accessKeyId = read.text("access_key_id");
  const secretAccessKey = read.text("secret_access_key");
  if (accessKeyId === "" || secretAccessKey === "") return {};
  return { keys: { accessKeyId, secretAccessKey, sessionToken: read.text("session_token") || undefined } };
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

/** Opens the blobs of a source that `parseS3Cache` returned, with the credentials of this machine. */
export async function openS3Blobs(source: string, env: Environment): Promise<CloudBlobs> {
  const url = new URL(source);
  const endpoint = url.searchParams.get("endpoint") ?? undefined;
  const region = url.searchParams.get("region") ?? "";
  const pathStyle = url.searchParams.has("path-style");
  const store = await openBucket({ bucket: url.host, region, endpoint, pathStyle, env });
  return objectBlobs(store, decodeURIComponent(url.pathname.slice(1)));
}
