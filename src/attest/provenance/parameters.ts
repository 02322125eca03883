import { VarveError, goQuote, parseGoBool } from "../../core/index.ts";

/** How provenance is made. */
export interface ProvenanceParameters {
  readonly mode: "min" | "max";
  readonly version: "v1" | "v0.2";
  readonly builderId: string;
  /** The name of its file in outputs of files. */
  readonly fileName: string;
  /** The user's claim that the build is reproducible. */
  readonly isReproducible: boolean;
  readonly inlineOnly: boolean;
  /** Say what the machine has used while the build ran. */
  readonly captureUsage: boolean;
  /** Fail if the materials are not complete. */
  readonly requireMaterials: boolean;
}

const DEFAULT_FILE = "provenance.json";

/**
 * Reads the parameters of provenance. Unknown ones are ignored, as by BuildKit.
 *
 * @throws {VarveError} `invalid-argument` with BuildKit's text.
 */
export function provenanceParameters(fields: ReadonlyMap<string, string>): ProvenanceParameters {
  return {
    mode: modeOf(fields.get("mode")),
    version: versionOf(fields.get("version")),
    builderId: fields.get("builder-id") ?? "",
    fileName: fields.get("filename") ?? DEFAULT_FILE,
    isReproducible: flag(fields, "reproducible"),
    inlineOnly: parseGoBool(fields.get("inline-only") ?? "") ?? false,
    captureUsage: parseGoBool(fields.get("capture-usage") ?? "") ?? false,
    requireMaterials: flag(fields, "complete-materials"),
  };
}

function modeOf(mode = "max"): "min" | "max" {
  if (mode === "full") return "max";
  if (mode === "min" || mode === "max") return mode;
  throw new VarveError("invalid-argument", `invalid mode ${goQuote(mode)}`);
}

function versionOf(version = "v1"): "v1" | "v0.2" {
  if (version === "v1" || version === "v0.2") return version;
  const text =
    version === "" ? "provenance SLSA version cannot be empty" : `invalid provenance SLSA version: ${version}`;
  throw new VarveError("invalid-argument", text);
}

function flag(fields: ReadonlyMap<string, string>, key: string): boolean {
  const text = fields.get(key);
  const value = text === undefined ? false : parseGoBool(text);
  if (value !== undefined) return value;
  const cause = `strconv.ParseBool: parsing ${goQuote(text ?? "")}: invalid syntax`;
  throw new VarveError("invalid-argument", `failed to parse ${key} flag ${goQuote(text ?? "")}: ${cause}`);
}
