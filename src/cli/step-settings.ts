import { resolve } from "node:path";
import type { DeviceSettings } from "../cdi/index.ts";
import { type JsonNode, type JsonObject, definedFields } from "../core/index.ts";
import { NETWORK_PROVIDER_MODES, type NetworkSettings } from "../network/index.ts";

/** Reads `devices` of `varve.json`; undefined if it is absent. */
export function readDeviceSettings(node: JsonNode): DeviceSettings | undefined {
  const json = node.object();
  if (json === undefined) return undefined;
  const settings = definedFields<DeviceSettings>({
    disabled: json.boolean("disabled"),
    directories: json.strings("directories")?.map((path) => resolve(path)),
    autoAllowed: json.strings("autoAllowed"),
  });
  json.rejectUnknown();
  return settings;
}

/** Reads `network` of `varve.json`; undefined if it is absent. */
export function readNetworkSettings(node: JsonNode): NetworkSettings | undefined {
  const json = node.object();
  if (json === undefined) return undefined;
  const settings = networkSettings(json, "mode");
  json.rejectUnknown();
  return settings;
}

/** Reads the settings of a network, as `[worker.oci]` of `buildkitd.toml` names them too, but for the field with the mode. */
export function networkSettings(json: JsonObject, mode: string): NetworkSettings {
  const given = json.string(mode) || undefined;
  const known = NETWORK_PROVIDER_MODES.find((each) => each === given);
  if (given !== undefined && known === undefined) json.field(mode).fail(`one of ${NETWORK_PROVIDER_MODES.join(", ")}`);
  const poolSize = json.field("cniPoolSize");
  return definedFields<NetworkSettings>({
    mode: known,
    bridgeName: json.string("bridgeName") || undefined,
    bridgeSubnet: json.string("bridgeSubnet") || undefined,
    cniConfigPath: absolute(json.string("cniConfigPath")),
    cniBinaryPath: absolute(json.string("cniBinaryPath")),
    cniPoolSize: poolSize.isAbsent ? undefined : poolSize.size(),
  });
}

function absolute(path = ""): string | undefined {
  return path === "" ? undefined : resolve(path);
}
