import { goQuote, parseGoBool } from "../../core/index.ts";
import type { AttestationSpec, OutputSpec } from "../../engine/index.ts";
import { usageError } from "../flags.ts";
import { csvFields } from "../values.ts";

export interface AttestationFlags {
  readonly attest: readonly string[];
  readonly provenance: string | undefined;
  readonly sbom: string | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

const TYPES = ["provenance", "sbom"] as const;
type Type = AttestationSpec["type"];

/** A flag, parsed. A disabled one keeps the default of its type from applying. */
type Given = AttestationSpec & { readonly isDisabled: boolean };

/**
 * Returns the attestations that the flags ask for. As with buildx, `--provenance` and `--sbom` come after `--attest`, and the first of
 * each type counts. Without one for provenance, an image that is pushed gets minimal provenance, unless an image has
 * Docker's media types, or `BUILDX_NO_DEFAULT_ATTESTATIONS` is true.
 */
export function attestationsOf(
  { attest, provenance, sbom }: AttestationFlags,
  outputs: readonly OutputSpec[],
  env: Environment,
): AttestationSpec[] {
  const given = [...attest, ...shorthand("provenance", provenance), ...shorthand("sbom", sbom)].map(readAttestation);
  const first = new Map<Type, Given>();
  for (const each of given) if (!first.has(each.type)) first.set(each.type, each);
  const enabled = [...first.values()].filter(({ isDisabled }) => !isDisabled);
  if (enabled.some(({ attrs }) => parseGoBool(attrs["inline-only"] ?? "") !== true)) refuseDockerArchives(outputs);
  const specs = enabled.map(({ type, attrs }): AttestationSpec => ({ type, attrs }));
  const isDefault = outputs.some(isPushed) && !outputs.some(hasDockerTypes);
  if (first.has("provenance") || !isDefault || isDefaultOff(env)) return specs;
  return [...specs, { type: "provenance", attrs: { mode: "min", "inline-only": "true" } }];
}

/** A bool enables or disables the type; other text has its parameters. */
function shorthand(type: string, text = ""): string[] {
  if (text === "") return [];
  const value = parseGoBool(text);
  return [`type=${type},${value === undefined ? text : `disabled=${!value}`}`];
}

/** Parses an `--attest`: `type=provenance,mode=max`. Names of parameters keep their case. */
function readAttestation(text: string): Given {
  const fields = new Map<string, string>();
  for (const field of csvFields(text)) {
    const at = field.indexOf("=");
    if (at < 0) throw usageError(`Cannot read --attest: invalid value ${field}`);
    fields.set(field.slice(0, at), field.slice(at + 1));
  }
  const name = fields.get("type");
  if (name === undefined) throw usageError("Cannot read --attest: attestation type not specified");
  const type = TYPES.find((known) => known === name);
  if (type === undefined) throw usageError(`Cannot read --attest: unknown attestation type ${goQuote(name)}`);
  const disabled = fields.get("disabled") ?? "false";
  const isDisabled = parseGoBool(disabled);
  if (isDisabled === undefined) throw usageError(`Cannot read --attest: disabled=${disabled} is not a boolean`);
  fields.delete("type");
  fields.delete("disabled");
  return { type, attrs: Object.fromEntries(fields), isDisabled };
}

function isPushed({ type, attrs = {} }: OutputSpec): boolean {
  return type === "registry" || (type === "image" && parseGoBool(attrs["push"] ?? "") === true);
}

/** Docker's media types have no attestations. */
function hasDockerTypes({ type, attrs = {} }: OutputSpec): boolean {
  return (type === "image" || type === "registry") && parseGoBool(attrs["oci-mediatypes"] ?? "") === false;
}

function isDefaultOff(env: Environment): boolean {
  return booleanOf(env, "BUILDX_NO_DEFAULT_ATTESTATIONS") ?? false;
}

/** Returns what provenance says of a work tree of git: the variables of buildx, `BUILDX_GIT_INFO` and `BUILDX_GIT_CHECK_DIRTY`. */
export function gitInfoOf(env: Environment): "none" | "commit" | "changes" {
  if (booleanOf(env, "BUILDX_GIT_INFO") === false) return "none";
  return booleanOf(env, "BUILDX_GIT_CHECK_DIRTY") === true ? "changes" : "commit";
}

/** Undefined if the variable is not set, or empty. */
function booleanOf(env: Environment, name: string): boolean | undefined {
  const text = env[name] ?? "";
  if (text === "") return undefined;
  const value = parseGoBool(text);
  if (value === undefined) throw usageError(`invalid ${name}: ${goQuote(text)} is not a boolean`);
  return value;
}

/** A Docker archive cannot contain an index, which an image with attestations is. */
function refuseDockerArchives(outputs: readonly OutputSpec[]): void {
  if (!outputs.some(({ type }) => type === "docker")) return;
  throw usageError(
    "Cannot build: docker exporter does not support exporting manifest lists, use the oci exporter instead",
  );
}
