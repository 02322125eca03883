import { VarveError, goQuote } from "../core/index.ts";
import { csvFields } from "../dockerfile/index.ts";

const TYPES = ["sbom", "provenance"] as const;
export type AttestationType = (typeof TYPES)[number];

/** The attestations that a build is asked for, with their parameters. */
export type AttestationRequests = ReadonlyMap<AttestationType, ReadonlyMap<string, string>>;

const OPTION = "attest:";
const ARGUMENT = "build-arg:BUILDKIT_ATTEST_";

/**
 * Reads the options of a request that ask for attestations: `attest:provenance=mode=max`, or the build argument
 * `BUILDKIT_ATTEST_PROVENANCE`.
 *
 * @throws {VarveError} `invalid-argument` with BuildKit's text for an unknown type or malformed parameters.
 */
export function attestationRequests(options: ReadonlyMap<string, string>): AttestationRequests {
  const found = new Map<AttestationType, ReadonlyMap<string, string>>();
  for (const [key, value] of options) {
    const type = key.startsWith(OPTION)
      ? key.slice(OPTION.length)
      : key.startsWith(ARGUMENT)
        ? key.slice(ARGUMENT.length).toLowerCase()
        : undefined;
    if (type !== undefined) found.set(knownType(type), parametersOf(value));
  }
  return found;
}

/** Returns the type of an attestation. Throws `invalid-argument` for an unknown one. */
function knownType(text: string): AttestationType {
  const type = TYPES.find((known) => known === text);
  if (type !== undefined) return type;
  throw new VarveError("invalid-argument", `unknown attestation type ${goQuote(text)}`);
}

/** A field without `=` is a parameter with an empty value. */
function parametersOf(text: string): Map<string, string> {
  const fields = text === "" ? [] : csvFields(text);
  return new Map(
    fields.map((field) => {
      const at = field.indexOf("=");
      return at < 0 ? [field, ""] : [field.slice(0, at), field.slice(at + 1)];
    }),
  );
}
