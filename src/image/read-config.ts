import { type JsonObject, Limits, type Platform, definedFields, parseJson, platformFromJson } from "../core/index.ts";
import type { ContainerConfig, Healthcheck, HistoryEntry, ImageConfig } from "./types.ts";

/** Maximum number of history entries: one for each instruction, so many more than layers. */
const MAX_HISTORY = 10_000;

function readHealthcheck(json: JsonObject): Healthcheck {
  return definedFields<Healthcheck>({
    Test: json.strings("Test"),
    Interval: json.integer("Interval"),
    Timeout: json.integer("Timeout"),
    StartPeriod: json.integer("StartPeriod"),
    StartInterval: json.integer("StartInterval"),
    Retries: json.integer("Retries"),
  });
}

function readContainerConfig(json: JsonObject): ContainerConfig {
  const healthcheck = json.object("Healthcheck");
  const known = {
    User: json.string("User"),
    ExposedPorts: json.keys("ExposedPorts"),
    Env: json.strings("Env"),
    Entrypoint: json.strings("Entrypoint"),
    Cmd: json.strings("Cmd"),
    Volumes: json.keys("Volumes"),
    WorkingDir: json.string("WorkingDir"),
    Labels: json.stringMap("Labels"),
    StopSignal: json.string("StopSignal"),
    ArgsEscaped: json.boolean("ArgsEscaped"),
    Healthcheck: healthcheck === undefined ? undefined : readHealthcheck(healthcheck),
    OnBuild: json.strings("OnBuild"),
    Shell: json.strings("Shell"),
    Hostname: json.string("Hostname"),
    Domainname: json.string("Domainname"),
    AttachStdin: json.boolean("AttachStdin"),
    AttachStdout: json.boolean("AttachStdout"),
    AttachStderr: json.boolean("AttachStderr"),
    Tty: json.boolean("Tty"),
    OpenStdin: json.boolean("OpenStdin"),
    StdinOnce: json.boolean("StdinOnce"),
    Image: json.string("Image"),
    NetworkDisabled: json.boolean("NetworkDisabled"),
    MacAddress: json.string("MacAddress"),
    StopTimeout: json.integer("StopTimeout"),
  };
  return definedFields<ContainerConfig>({ ...known, unknown: json.unknown() });
}

/** Parses the result of `encodeContainerConfig`, or the `config` of an image config. Throws as `readImageConfig`. */
export function parseContainerConfig(text: string): ContainerConfig {
  return readContainerConfig(parseJson(text, "container config", { limit: Limits.config }).requiredObject());
}

function readHistoryEntry(json: JsonObject): HistoryEntry {
  return definedFields<HistoryEntry>({
    created: json.time("created"),
    created_by: json.string("created_by"),
    author: json.string("author"),
    comment: json.string("comment"),
    empty_layer: json.boolean("empty_layer"),
  });
}

function readRootfs(json: JsonObject | undefined): ImageConfig["rootfs"] {
  const diffIds = json?.field("diff_ids").list((item) => item.digest(), Limits.layers) ?? [];
  return { type: json?.string("type") ?? "layers", diff_ids: diffIds };
}

/**
 * Reads an image config. Missing and null lists are read as empty, because registries contain such configs. `what` names the config
 * in messages.
 *
 * @throws {VarveError} `corrupt` for bytes that Go's `json.Unmarshal` would reject; `limit-exceeded` for too many bytes or layers.
 */
export function readImageConfig(bytes: Uint8Array, what = "image config"): ImageConfig {
  const json = parseJson(bytes, what, { limit: Limits.config }).requiredObject();
  const config = json.object("config");
  const known = {
    created: json.isNull("created") ? null : json.time("created"),
    author: json.string("author"),
    architecture: json.string("architecture") ?? "",
    os: json.string("os") ?? "",
    variant: json.string("variant"),
    "os.version": json.string("os.version"),
    "os.features": json.strings("os.features"),
    config: config === undefined ? undefined : readContainerConfig(config),
    rootfs: readRootfs(json.object("rootfs")),
    history: json.objects("history", MAX_HISTORY).map(readHistoryEntry),
  };
  json.has("created");
  return definedFields<ImageConfig>({ ...known, unknown: json.unknown() });
}

/** Returns the normalised platform of a config, or undefined if it has none. */
export function configPlatform(config: ImageConfig): Platform | undefined {
  return config.os === "" || config.architecture === "" ? undefined : platformFromJson(config);
}
