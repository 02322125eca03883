import {
  type Platform,
  formatWholePlatform,
  goJson,
  goQuote,
  hostPlatform,
  messageOf,
  normalizePlatform,
  parsePlatform,
  sortKeys,
} from "../../../core/index.ts";
import type { Progress } from "../../../engine/index.ts";
import { type Attributes, attributeError, withPrefix } from "../dockerfile/attributes.ts";
import { type FrontendResult, ResultKey, refsOf } from "./result.ts";
import { resultPlatforms } from "./targets.ts";

/** The key of a result's metadata with what the client asked for. */
const REQUEST_KEY = "verifier.requestopts";

/** Adds to a result what the client asked for: clients read it in the history. */
export function withRequest(result: FrontendResult, attributes: Attributes): FrontendResult {
  const labels = sortKeys(withPrefix(attributes, "label:"));
  const json = { Platforms: requested(attributes), Labels: labels, Request: attributes.get("requestid") ?? "" };
  return { ...result, metadata: new Map([...result.metadata, [REQUEST_KEY, Buffer.from(goJson(json))]]) };
}

/**
 * Returns warnings if the platforms of a result are not those that the client asked for.
 *
 * @throws {VarveError} `invalid-argument` for several filesystems without platforms, and as `resultPlatforms`.
 * @see moby/buildkit exporter/verifier/platforms.go
 */
function platformWarnings(result: FrontendResult, attributes: Attributes): string[] {
  if (refsOf(result).every((ref) => ref === undefined)) return [];
  if (result.refs.kind === "map" && !result.metadata.has(ResultKey.platforms))
    throw attributeError("build result contains multiple refs without platforms mapping");
  const asked = requested(attributes);
  const wanted = new Map<string, Platform>();
  const warnings: string[] = [];
  for (const text of asked) {
    try {
      const platform = normalizePlatform(parsePlatform(text));
      const name = formatWholePlatform(platform);
      if (wanted.has(name)) warnings.push(`Duplicate platform result requested ${goQuote(text)}`);
      wanted.set(name, platform);
    } catch (error) {
      warnings.push(`Invalid platform result requested ${goQuote(text)}: ${messageOf(error)}`);
    }
  }
  if (warnings.length > 0) return warnings;
  const made = resultPlatforms(result).map(({ platform }) => normalizePlatform(platform));
  return mismatch({ asked, wanted, made, isMulti: result.refs.kind === "map" });
}

interface Platforms {
  readonly asked: readonly string[];
  readonly wanted: ReadonlyMap<string, Platform>;
  readonly made: readonly Platform[];
  readonly isMulti: boolean;
}

function mismatch({ asked, wanted, made, isMulti }: Platforms): string[] {
  const names = made.map(formatWholePlatform);
  const [first] = made;
  if (wanted.size === 1 && made.length === 1 && first !== undefined) {
    // A request seldom names a version of the operating system.
    const { osVersion: _, ...general } = first;
    if ([first, general].some((platform) => wanted.has(formatWholePlatform(platform)))) return [];
    return [`Requested platform ${goQuote(asked[0] ?? "")} does not match result platform ${goQuote(names[0] ?? "")}`];
  }
  if (!isMulti && wanted.size > 1) return ["Multiple platforms requested but result is not multi-platform"];
  if (wanted.size === made.length && names.every((name) => wanted.has(name))) return [];
  const list = (items: Iterable<string>): string => [...items].toSorted().join(",");
  return [`Requested platforms ${list(wanted.keys())} do not match result platforms ${list(names)}`];
}

function requested(attributes: Attributes): string[] {
  return attributes.get("platform")?.split(",") ?? [formatWholePlatform(normalizePlatform(hostPlatform()))];
}

/** Warns if the platforms of a result are not those that the client asked for. Throws as `platformWarnings`. */
export async function verifyPlatforms(
  result: FrontendResult,
  attributes: Attributes,
  progress: Progress,
): Promise<void> {
  const warnings = platformWarnings(result, attributes);
  if (warnings.length === 0) return;
  // oxlint-disable-next-line require-await -- the work of an activity is asynchronous
  await progress.activity("Verifying build result", async ({ vertex }) => {
    for (const warning of warnings) progress.warn(warning, { vertex });
  });
}
