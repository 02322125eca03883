import type { CollectionSettings } from "../caches/index.ts";
import type { StoreOptions } from "../engine/index.ts";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type JsonNode,
  type TracedSetting,
  VarveError,
  defaultRoot,
  errnoOf,
  parseJson,
  tracedSetting,
} from "../core/index.ts";
import { FRONTEND_IMAGES, type FrontendImages } from "../frontend/index.ts";
import { STEP_ISOLATIONS, type StepIsolation } from "../isolation/index.ts";
import type { CommandContext } from "./command.ts";
import { readDeviceSettings, readNetworkSettings } from "./step-settings.ts";

export interface Settings {
  readonly store: StoreOptions;
  /** What a server collects by itself. */
  readonly collection: CollectionSettings;
  /** The default of `varve build --normalize-context`. */
  readonly normalizeContext?: boolean | "git" | undefined;
  /** The default of `varve build --traced`. */
  readonly traced?: TracedSetting | undefined;
  /** Which front ends run as images: the default of `--frontend-image`. */
  readonly frontendImages?: FrontendImages | undefined;
  /** A server adds why a step was not cached to its log: `explain`. With `everywhere`, also where the log is Docker's to the letter. */
  readonly explains: boolean | "everywhere";
}

/**
 * Merges the command line's settings with the configuration file: `--config`, or `varve.json` in the root if it exists.
 *
 * @throws {VarveError} `invalid-argument` if the file cannot be read or is malformed.
 */
export async function loadSettings(context: CommandContext): Promise<Settings> {
  const path = context.configPath ?? join(context.store.root ?? defaultRoot(context.env), "varve.json");
  const text = await read(path, context.configPath !== undefined);
  if (text === undefined) return { store: context.store, collection: {}, explains: true };
  const json = parseJson(text, `configuration ${path}`, { code: "invalid-argument" }).requiredObject();
  const { raw: registries = {} } = json.field("registries");
  const { raw: collection } = json.field("collection");
  const parallelism = json.field("maxParallelism");
  const normalizeContext = normalization(json.field("normalizeContext"));
  const traced = tracing(json.field("traced"));
  const frontendImages = frontends(json.field("frontendImages"));
  const explains = explaining(json.field("explain"));
  const devices = readDeviceSettings(json.field("devices"));
  const network = readNetworkSettings(json.field("network"));
  const isolation = stepIsolation(json.field("isolation"));
  json.rejectUnknown();
  const { parseRegistryConfig } = await import("../registry/index.ts");
  return {
    store: {
      ...context.store,
      registry: { config: parseRegistryConfig({ registries }) },
      maxParallelism: parallelism.isAbsent ? undefined : parallelism.size() || undefined,
      devices,
      network,
      ...(isolation === undefined ? {} : { steps: { isolation, ...context.store.steps } }),
    },
    normalizeContext,
    traced,
    frontendImages,
    explains,
    collection: collection === undefined ? {} : (await import("../caches/index.ts")).readCollectionSettings(collection),
  };
}

function stepIsolation(node: JsonNode): StepIsolation | undefined {
  if (node.isAbsent) return undefined;
  return STEP_ISOLATIONS.find((mode) => mode === node.raw) ?? node.fail('"namespaces" or "chroot"');
}

function normalization(node: JsonNode): boolean | "git" | undefined {
  if (node.isAbsent || typeof node.raw === "boolean") return node.boolean();
  return node.raw === "git" ? "git" : node.fail('true, false or "git"');
}

function explaining(node: JsonNode): Settings["explains"] {
  if (node.isAbsent || typeof node.raw === "boolean") return node.boolean() ?? true;
  return node.raw === "everywhere" ? "everywhere" : node.fail('true, false or "everywhere"');
}

function tracing(node: JsonNode): TracedSetting | undefined {
  if (node.isAbsent || typeof node.raw === "boolean") return node.boolean() === true ? "contents" : undefined;
  const setting = typeof node.raw === "string" ? tracedSetting(node.raw) : undefined;
  return setting ?? node.fail('true, false, "contents", "loose" or "verify"');
}

function frontends(node: JsonNode): FrontendImages | undefined {
  if (node.isAbsent) return undefined;
  return FRONTEND_IMAGES.find((mode) => mode === node.raw) ?? node.fail('"auto", "always" or "never"');
}

async function read(path: string, required: boolean): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (!required && (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR")) return undefined;
    throw new VarveError("invalid-argument", `Cannot read configuration ${path}: ${errnoOf(error) ?? String(error)}`, {
      cause: error,
    });
  }
}
