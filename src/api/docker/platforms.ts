import {
  type Platform,
  type VarveError,
  definedFields,
  messageOf,
  normalizePlatform,
  parseJson,
  parsePlatform,
  platformFault,
  readPlatformSpecifier,
} from "../../core/index.ts";
import type { Call } from "./api.ts";
import { apiError } from "./errors.ts";
import { text } from "./query.ts";
import { isAtLeast } from "./version.ts";

type Asked = Pick<Call, "query" | "version">;

/** Reads `platform` of a build, pull or import: `os/arch[/variant]`. Undefined if absent. Throws 400 if malformed. */
export function platformSpecifier({ query, version }: Asked): Platform | undefined {
  const wanted = isAtLeast(version, "1.32") ? text(query, "platform") : undefined;
  if (wanted === undefined) return undefined;
  try {
    // `parsePlatform` accepts "local", which the Docker daemon rejects.
    readPlatformSpecifier(wanted);
    return parsePlatform(wanted);
  } catch (error) {
    throw apiError(400, platformFault(error), error);
  }
}

/**
 * Reads the parameter `name`, a platform as JSON. API versions before `since` ignore it. Undefined if it is absent. Throws
 * 400 if it is malformed or given several times.
 */
export function jsonPlatform({ query, version }: Asked, name: string, since: string): Platform | undefined {
  const [wanted, ...others] = isAtLeast(version, since) ? query.getAll(name).filter((value) => value !== "") : [];
  if (others.length > 0) throw apiError(400, "multiple platform parameters not supported");
  return wanted === undefined ? undefined : decodePlatform(wanted);
}

function decodePlatform(json: string): Platform {
  const read = readFields(json);
  const { os, architecture } = read;
  if (os !== undefined && architecture !== undefined) return normalizePlatform({ ...read, os, architecture });
  if (os === undefined && architecture === undefined && Object.keys(read).length > 0)
    throw apiError(400, "optional platform fields provided, but OS and Architecture are missing");
  throw apiError(400, "both OS and Architecture must be provided");
}

/** Returns the fields that are present and not empty. */
function readFields(text: string): Partial<Platform> {
  const error = (state: string, cause?: unknown): VarveError =>
    apiError(400, `failed to parse platform: ${cause === undefined ? state : messageOf(cause)}`, cause);
  const json = parseJson(text, "platform", { error }).requiredObject();
  const field = (name: string): string | undefined => json.string(name) || undefined;
  const osFeatures = json.strings("os.features") ?? [];
  return definedFields<Partial<Platform>>({
    os: field("os"),
    architecture: field("architecture"),
    variant: field("variant"),
    osVersion: field("os.version"),
    osFeatures: osFeatures.length === 0 ? undefined : osFeatures,
  });
}
