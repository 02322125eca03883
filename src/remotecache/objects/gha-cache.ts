import { VarveError, goJson, parseGoBool } from "../../core/index.ts";
import type { ActionsCache, ActionsCacheOptions, Environment } from "../../objectstore/index.ts";
import { type CloudAttributes, CloudAttributeReader } from "./cloud-attributes.ts";
import type { CloudBlobs, CloudCache, OpenCloudCache } from "./cloud-cache.ts";
import { ghaBlobs, writeScopeOf } from "./gha-keys.ts";
import { ghaOrigin } from "./gha-origin.ts";
import { GhaIndex } from "./gha-index.ts";
import { ghaTarget } from "./gha-target.ts";
import { pruneGha } from "./prune-gha.ts";

const GITHUB_V2 = "results-receiver.actions.githubusercontent.com";
const SCOPE = "buildkit";
/** Maximum length of a scope, in characters. Keys have at most 512. */
const MAX_SCOPE = 256;
type Mode = "none" | "read" | "write" | "write-only";

/**
 * Parses the attributes of `type=gha`, with BuildKit's names, defaults and messages, and the variables of a job of GitHub Actions. Nothing
 * is sent.
 *
 * @throws {VarveError} `invalid-argument`
 */
export function parseGhaCache(attrs: CloudAttributes, env: Environment = process.env): CloudCache {
  const read = new CloudAttributeReader(attrs, "gha cache");
  const { version, url } = serviceOf(read, env);
  const token = read.text("token") || env["ACTIONS_RUNTIME_TOKEN"] || "";
  if (token === "") read.invalid("token not set for github actions cache");
  const scope = read.text("scope") || SCOPE;
  if (scope.length > MAX_SCOPE || scope.includes(",")) read.invalid("scope is too long, or has a comma");
  const repository = read.text("repository");
  const ghtoken = read.text("ghtoken");
  const access = repository === "" || ghtoken === "" ? {} : { repository: { name: repository, token: ghtoken } };
  const patience = read.duration("timeout");
  const options: ActionsCacheOptions = { version, url, token, patience, ...access, ...read.limits, env };
  const source = `gha://cache?${new URLSearchParams({ url, version: String(version) }).toString()}`;
  const place: GhaPlace = { source, scope, mode: modeOf(env) };
  return {
    type: "gha",
    id: read.id,
    source,
    name: `gha://${scope}`,
    documents: goJson([source, scope]),
    open: async () => ghaCache(await openService(options), place),
  };
}

/** A cache in the service of GitHub Actions. */
interface GhaPlace {
  readonly source: string;
  readonly scope: string;
  readonly mode: Mode;
}

function serviceOf(read: CloudAttributeReader, env: Environment): { readonly version: 1 | 2; readonly url: string } {
  const given = read.text("version");
  const results = env["ACTIONS_RESULTS_URL"] ?? "";
  const asked = given === "" ? (parseGoBool(env["ACTIONS_CACHE_SERVICE_V2"] ?? "") === true ? "2" : "") : given;
  if (asked !== "" && !/^[12]$/.test(asked))
    read.invalid(`failed to parse api version ${JSON.stringify(asked)}, expected positive integer: 1 or 2`);
  const url = read.text("url") || env["ACTIONS_CACHE_URL"] || results;
  const second = read.text("url_v2") || (asked === "2" ? results : "");
  if (asked !== "1" && second !== "") return { version: 2, url: second };
  if (url === "") read.invalid("url not set for github actions cache");
  return { version: asked === "2" || (asked === "" && url.includes(GITHUB_V2)) ? 2 : 1, url };
}

/** What the runner allows. Newer ones say it. */
function modeOf(env: Environment): Mode {
  const text = env["ACTIONS_CACHE_MODE"];
  return text === "none" || text === "read" || text === "write-only" ? text : "write";
}

async function openService(options: ActionsCacheOptions): Promise<ActionsCache> {
  const { openActionsCache } = await import("../../objectstore/index.ts");
  return openActionsCache(options);
}

function ghaCache(service: ActionsCache, { source, scope, mode }: GhaPlace): OpenCloudCache {
  const readable = mode === "none" || mode === "write-only" ? [] : service.token.scopes;
  const own = (): GhaIndex => {
    service.check();
    return new GhaIndex(service, scope, writeScopeOf(service.token));
  };
  const blobs = ghaBlobs(service);
  return {
    ...blobs,
    origins: (onWait) => {
      service.check();
      return readable.map((each) => ghaOrigin(new GhaIndex(service, scope, each.scope), { blobs, source, onWait }));
    },
    target: (options) => {
      if (mode === "none" || mode === "read") return unwritable(mode, options.warn);
      return ghaTarget(service, own(), options);
    },
    prepare: async () => void (await Promise.resolve(own())),
    prune: async (options) => await pruneGha(service, own(), options),
  };
}

/** The target of a job that may not write. */
function unwritable(mode: Mode, warn: (message: string) => void): ReturnType<OpenCloudCache["target"]> {
  return {
    write: () => {
      warn(`The cache is not exported: the runner allows no writing (ACTIONS_CACHE_MODE=${mode})`);
      return Promise.resolve(undefined);
    },
  };
}

/** Opens the blobs of a source that `parseGhaCache` returned, with the token of this job. */
export async function openGhaSource(source: string, env: Environment): Promise<CloudBlobs> {
  const { searchParams } = new URL(source);
  const token = env["ACTIONS_RUNTIME_TOKEN"] ?? "";
  if (token === "")
    throw new VarveError("unauthorized", "Cannot use the cache of GitHub Actions: ACTIONS_RUNTIME_TOKEN is not set");
  const version = searchParams.get("version") === "1" ? 1 : 2;
  return ghaBlobs(await openService({ version, url: searchParams.get("url") ?? "", token, env }));
}
