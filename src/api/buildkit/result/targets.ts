import {
  type Platform,
  formatPlatform,
  hostPlatform,
  parseJson,
  platformFromJson,
  readPlatform,
} from "../../../core/index.ts";
import type { BuildTargets, RequestTrace } from "../../../engine/index.ts";
import { configPlatform, readImageConfig } from "../../../image/index.ts";
import { type RecordId, SCRATCH } from "../../../record/index.ts";
import { attributeError } from "../dockerfile/attributes.ts";
import { attestationEdges, exportedAttestations } from "./attestations.ts";
import { type FrontendResult, ResultKey, refsOf } from "./result.ts";
import { tracedResult } from "./traced.ts";

/** A platform of a result and its id in the result's map. */
interface ResultPlatform {
  readonly id: string;
  readonly platform: Platform;
}

/**
 * Returns what a build exports of a result. `trace` is that of the client's own request.
 *
 * @throws {VarveError} `invalid-argument` with BuildKit's text if the platforms do not fit the filesystems.
 */
export function targetsOf(result: FrontendResult, trace: RequestTrace): BuildTargets {
  const platforms = resultPlatforms(result);
  const isMulti = result.refs.kind === "map";
  const refs = isMulti ? platforms.map(({ id }) => refOf(result, id)) : refsOf(result);
  const ids = platforms.map(({ id, platform }) => (id === "" ? formatPlatform(platform) : id));
  const attestations = ids.map((id) => result.attestations?.get(id) ?? []);
  const scans = ids.map((id) => [...(result.scans?.get(id) ?? [])]);
  const edges = [
    refs.map((ref) => ref?.edge),
    ...attestations.map(attestationEdges),
    ...scans.map((list) => list.map(([, { edge }]) => edge)),
  ];
  return {
    edges: edges.flat(),
    results: platforms.map(({ platform }, index) => tracedResult(refs[index], platform, trace)),
    source: (records) => ({
      platforms: platforms.map(({ id, platform }, index) => {
        const suffix = isMulti ? `/${id}` : "";
        const { metadata } = result;
        return {
          platform,
          record: records[index] ?? SCRATCH,
          config: metadata.get(ResultKey.config + suffix),
          base: metadata.get(ResultKey.baseConfig + suffix),
          attestations: exportedAttestations(attestations[index] ?? [], recordsOf(records, edges, index + 1)),
          scans: scannedRecords(scans[index] ?? [], recordsOf(records, edges, index + 1 + platforms.length)),
        };
      }),
      multi: isMulti,
      names: [],
      annotations: annotationsOf(result),
      epoch: epochOf(result, isMulti ? platforms[0] : undefined),
    }),
  };
}

function scannedRecords(
  scans: readonly (readonly [name: string, ...unknown[]])[],
  records: readonly RecordId[],
): ReadonlyMap<string, RecordId> {
  return new Map(scans.map(([name], index) => [name, records[index] ?? SCRATCH]));
}

/** Returns the annotations in a result's metadata. */
function annotationsOf({ metadata }: FrontendResult): Record<string, string> {
  const found = [...metadata].filter(([key]) => key.startsWith("annotation"));
  return Object.fromEntries(found.map(([key, value]) => [key, Buffer.from(value).toString()]));
}

/** Returns the records of one group of edges. */
function recordsOf(
  records: readonly RecordId[],
  edges: readonly (readonly unknown[])[],
  group: number,
): readonly RecordId[] {
  const start = edges.slice(0, group).reduce((sum, { length }) => sum + length, 0);
  return records.slice(start, start + (edges[group]?.length ?? 0));
}

function refOf({ refs }: FrontendResult, id: string): ReturnType<typeof refsOf>[number] {
  const ref = refs.kind === "map" ? refs.refs.get(id) : undefined;
  if (ref === undefined) throw attributeError(`failed to find ref for ID ${id}`);
  return ref;
}

export function resultPlatforms(result: FrontendResult): readonly ResultPlatform[] {
  const listed = result.metadata.get(ResultKey.platforms);
  if (result.refs.kind === "map") {
    if (listed === undefined) throw attributeError("unable to export multiple refs, missing platforms mapping");
    return readPlatforms(listed);
  }
  const platforms = listed === undefined ? [] : readPlatforms(listed);
  if (platforms.length > 1) throw attributeError("unable to export multiple platforms without map");
  return [platforms[0] ?? { id: "", platform: ownPlatform(result) ?? hostPlatform() }];
}

/** Returns the platform of the image config of a single result. */
function ownPlatform({ metadata }: FrontendResult): Platform | undefined {
  const config = metadata.get(ResultKey.config);
  if (config === undefined) return undefined;
  const json = parseJson(config, "the image config", { code: "invalid-argument" });
  if (json.isAbsent) throw attributeError("invalid null image config for export");
  const fields = json.objectOrEmpty();
  const os = fields.string("os") ?? "";
  const architecture = fields.string("architecture") ?? "";
  if ((os === "") !== (architecture === ""))
    throw attributeError("invalid image config: os and architecture must be specified together");
  return configPlatform(readImageConfig(config));
}

/** Parses `{"Platforms":[{"ID":…,"Platform":{…}}]}`. */
function readPlatforms(bytes: Uint8Array): ResultPlatform[] {
  const error = (): Error => attributeError("failed to parse platforms passed to provenance processor");
  const json = bytes.length === 0 ? undefined : parseJson(bytes, "platforms of the result", { error }).object();
  const list = (json?.objects("Platforms") ?? []).map((item) => ({
    id: item.string("ID") ?? "",
    platform: platformFromJson(readPlatform(item.field("Platform").objectOrEmpty())),
  }));
  if (list.length === 0) throw attributeError("invalid empty platforms index for exporter");
  for (const { id, platform } of list) {
    const { os, architecture } = platform;
    if (id === "") throw attributeError("invalid empty platform key for exporter");
    if (os === "" || architecture === "")
      throw attributeError(`invalid platform value {${architecture} ${os}   []} for exporter`);
  }
  return list;
}

function epochOf({ metadata }: FrontendResult, first: ResultPlatform | undefined): number | undefined {
  const text = metadata.get(ResultKey.epoch) ?? (first && metadata.get(`${ResultKey.epoch}/${first.id}`));
  return text === undefined ? undefined : Number(Buffer.from(text).toString());
}
