import { openAzureSource, parseAzureCache } from "./azblob-cache.ts";
import { VarveError } from "../../core/index.ts";
import type { Environment } from "../../objectstore/index.ts";
import type { CloudAttributes } from "./cloud-attributes.ts";
import type { CloudBlobs, CloudCache, CloudType } from "./cloud-cache.ts";
import { openGhaSource, parseGhaCache } from "./gha-cache.ts";
import { openS3Blobs, parseS3Cache } from "./s3-cache.ts";

interface CloudBackEnd {
  readonly parse: (attrs: CloudAttributes, env: Environment) => CloudCache;
  readonly open: (source: string, env: Environment) => Promise<CloudBlobs>;
}

/** By type. Sources begin with the type. */
const BACK_ENDS: Readonly<Record<CloudType, CloudBackEnd>> = {
  azblob: { parse: parseAzureCache, open: openAzureSource },
  gha: { parse: parseGhaCache, open: openGhaSource },
  s3: { parse: parseS3Cache, open: openS3Blobs },
};

export function isCloudType(type: string): type is CloudType {
  return Object.hasOwn(BACK_ENDS, type);
}

/**
 * Parses the attributes of a cache in a cloud, with BuildKit's names, defaults and messages. Nothing is sent.
 *
 * @throws {VarveError} `invalid-argument`
 */
export function parseCloudCache(type: CloudType, attrs: CloudAttributes, env: Environment = process.env): CloudCache {
  return BACK_ENDS[type].parse(attrs, env);
}

/**
 * Opens the blobs of a source that a `CloudCache` names, with the credentials of this machine.
 *
 * @throws {VarveError} `invalid-argument`
 */
export async function openCloudBlobs(source: string, env: Environment = process.env): Promise<CloudBlobs> {
  const type = source.slice(0, source.indexOf(":"));
  if (isCloudType(type)) return await BACK_ENDS[type].open(source, env);
  throw new VarveError("invalid-argument", `Cannot open cache ${source}: its type is unknown`);
}
