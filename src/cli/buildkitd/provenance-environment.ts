import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { type JsonValue, Limits, VarveError, errnoOf, goQuote, parseJson } from "../../core/index.ts";

export const DEFAULT_PROVENANCE_DIRECTORY = "/etc/buildkit/provenance.d";

/** Fields of provenance that a builder's configuration cannot replace. */
const BUILT_IN = ["buildConfig", "builderPlatform", "platform"];

/**
 * Reads the facts about the builder that provenance contains: the JSON objects of a directory, merged in the order of their names. A
 * directory that does not exist has none.
 *
 * @throws {VarveError} `invalid-argument` for a file that is not a JSON object, and for a field that cannot be replaced.
 */
export async function readProvenanceEnvironment(directory: string): Promise<Record<string, JsonValue>> {
  const merged = new Map<string, JsonValue>();
  for (const name of await listJson(directory)) {
    const path = join(directory, name);
    const json = parseJson(await readFile(path), path, { code: "invalid-argument", limit: Limits.config });
    for (const [key, value] of json.requiredObject().unknown() ?? []) merged.set(key, value);
  }
  const wrong = BUILT_IN.find((key) => merged.has(key));
  if (wrong !== undefined)
    throw new VarveError(
      "invalid-argument",
      `Cannot use ${directory}: key ${goQuote(wrong)} is builtin and not allowed to be modified in provenance config`,
    );
  return Object.fromEntries(merged);
}

async function listJson(directory: string): Promise<string[]> {
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    const files = entries.filter((entry) => !entry.isDirectory() && entry.name.endsWith(".json"));
    return files.map(({ name }) => name).toSorted();
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw new VarveError("invalid-argument", `Cannot read ${directory}: ${errnoOf(error) ?? String(error)}`, {
      cause: error,
    });
  }
}
