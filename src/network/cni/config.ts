import { readFile } from "node:fs/promises";
import { VarveError, errnoOf, type JsonObject, parseJson } from "../../core/index.ts";

/** Bytes. */
const MAX_CONFIG = 1024 * 1024;
const MAX_PLUGINS = 64;
/** Of a configuration that names none: that of the first releases. */
const DEFAULT_VERSION = "0.2.0";

/** The plugins that make a network, in the order in which they add to it. */
export interface CniConfig {
  readonly name: string;
  readonly cniVersion: string;
  /** Each as its object in the file. */
  readonly plugins: readonly CniPluginConfig[];
}

export interface CniPluginConfig {
  /** Name of the program. */
  readonly type: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/**
 * Reads the configuration of a network: a list of plugins, or one plugin, as the Container Network Interface's SPEC.md describes.
 *
 * @throws {VarveError} `unsupported` if there is no such file, `invalid-argument` if it is malformed.
 */
export async function readCniConfig(path: string): Promise<CniConfig> {
  const json = parseJson(await read(path), `network configuration ${path}`, {
    code: "invalid-argument",
    limit: MAX_CONFIG,
  }).requiredObject();
  const list = json.has("plugins") ? json.objects("plugins", MAX_PLUGINS) : [json];
  if (list.length === 0) json.field("plugins").fail("a list of plugins");
  return {
    name: json.string("name") || json.field("name").fail("the name of a network"),
    cniVersion: json.string("cniVersion") || DEFAULT_VERSION,
    plugins: list.map(pluginOf),
  };
}

async function read(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new VarveError(
      "unsupported",
      `Cannot use network configuration ${path}: ${errnoOf(error) ?? String(error)}`,
      {
        cause: error,
        hint: "Set cniConfigPath, or another networkMode.",
      },
    );
  }
}

function pluginOf(json: JsonObject): CniPluginConfig {
  const type = json.string("type") ?? "";
  if (!/^[A-Za-z0-9._-]+$/.test(type) || type.startsWith(".")) json.field("type").fail("the name of a plugin");
  const names = [...json.fieldNames()];
  return { type, fields: Object.fromEntries(names.map((name) => [name, json.field(name).raw])) };
}
