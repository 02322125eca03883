import { posix } from "node:path";
import { goJson } from "../../core/index.ts";
import type { AzureBlobOptions, Environment, ObjectStore } from "../../objectstore/index.ts";
import { type CloudAttributes, CloudAttributeReader } from "./cloud-attributes.ts";
import type { CloudBlobs, CloudCache } from "./cloud-cache.ts";
import { objectBlobs, objectCache } from "./object-cache.ts";
import type { ObjectCachePlace } from "./object-place.ts";

const CONTAINER = "buildkit-cache";
/** Variables for attributes that are absent. An attribute that is empty overrides them, as by BuildKit. */
const VARIABLES = {
  account_url: "BUILDKIT_AZURE_STORAGE_ACCOUNT_URL",
  account_name: "BUILDKIT_AZURE_STORAGE_ACCOUNT_NAME",
  container: "BUILDKIT_AZURE_STORAGE_CONTAINER",
  prefix: "BUILDKIT_AZURE_STORAGE_PREFIX",
} as const;

/**
 * Parses the attributes of `type=azblob`, with BuildKit's names, defaults and messages. Nothing is sent.
 *
 * @throws {VarveError} `invalid-argument`
 */
export function parseAzureCache(attrs: CloudAttributes, env: Environment = process.env): CloudCache {
  const read = new CloudAttributeReader(attrs, "azblob cache");
  const value = (key: keyof typeof VARIABLES): string => read.given(key) ?? env[VARIABLES[key]] ?? "";
  const given = value("account_url");
  if (given === "")
    read.invalid(`either \${${VARIABLES.account_url}} or account_url attribute is required for azblob cache`);
  if (!URL.canParse(given)) read.invalid("account_url is not a URL");
  const url = new URL(given);
  const sharedAccessSignature = url.search === "" ? read.text("sas_token") : url.search;
  url.search = "";
  const accountUrl = url.href.replace(/\/$/, "");
  const account = value("account_name") || undefined;
  const container = value("container") || CONTAINER;
  const prefix = value("prefix");
  const keys = {
    documents: folder(prefix, read.given("manifests_prefix") ?? "manifests"),
    blobs: folder(prefix, read.given("blobs_prefix") ?? "blobs"),
  };
  const { id, names, limits, touchAfter, parallelism } = read;
  const source = azureSource({ accountUrl, account, container, blobs: keys.blobs });
  const name = `azblob://${account ?? url.host.split(".")[0] ?? ""}/${posix.join(container, prefix)}`;
  const place: ObjectCachePlace = { source, name, keys, names, reads: names, touchAfter, parallelism };
  const key = read.text("secret_access_key");
  const options = { accountUrl, account, container, key, sharedAccessSignature, ...limits, env };
  return {
    type: "azblob",
    id,
    source,
    name,
    documents: goJson([source, keys.documents, names]),
    open: async () => objectCache(await openContainer(options), place),
  };
}

/** Joins parts of keys as BuildKit does, so that `pre/fix/` and `manifests` are `pre/fix/manifests/`. */
function folder(prefix: string, name: string): string {
  const joined = posix.join(prefix, name);
  return joined === "." ? "" : joined.replace(/\/?$/, "/");
}

async function openContainer(options: AzureBlobOptions): Promise<ObjectStore> {
  const { openAzureBlobs } = await import("../../objectstore/index.ts");
  return openAzureBlobs(options);
}

interface AzureSourceParts {
  readonly accountUrl: string;
  readonly account: string | undefined;
  readonly container: string;
  /** What the keys of blobs begin with. */
  readonly blobs: string;
}

/** Returns the source of the layers of a cache: `azblob://container/blobs%2F?account=…`. */
function azureSource({ accountUrl, account, container, blobs }: AzureSourceParts): string {
  const query = new URLSearchParams({ url: accountUrl, ...(account === undefined ? {} : { account }) });
  return `azblob://${container}/${encodeURIComponent(blobs)}?${query.toString()}`;
}

/** Opens the blobs of a source that `parseAzureCache` returned, with the credentials of this machine. */
export async function openAzureSource(source: string, env: Environment): Promise<CloudBlobs> {
  const url = new URL(source);
  const account = url.searchParams.get("account") ?? undefined;
  const accountUrl = url.searchParams.get("url") ?? "";
  const store = await openContainer({ accountUrl, account, container: url.host, env });
  return objectBlobs(store, decodeURIComponent(url.pathname.slice(1)));
}
