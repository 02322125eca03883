import { goJson } from "../../core/index.ts";
import type { Attestation, AttestationSubject } from "../types.ts";

const STATEMENT_TYPE = "https://in-toto.io/Statement/v1";

/** Returns the in-toto statement that an attestation about these subjects is, as compact JSON. */
export async function statementOf(attestation: Attestation, subjects: readonly AttestationSubject[]): Promise<string> {
  const { predicateType } = attestation;
  const subject = (attestation.subjects ?? subjects).map(({ name, digest }) => ({ name, digest: { ...digest } }));
  const head = goJson({ _type: STATEMENT_TYPE, predicateType, subject });
  const predicate = Buffer.from(await attestation.predicate()).toString();
  return `${head.slice(0, -1)},"predicate":${predicate}}`;
}

const INDENT = "  ";

/** Indents JSON by two spaces, as Go's `json.Indent`. Does not change values, and drops white space between them. */
export function indentJson(json: string): string {
  let out = "";
  let depth = 0;
  const line = (): string => `\n${INDENT.repeat(depth)}`;
  for (const [token] of json.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s"{}[\],:]+/gs)) {
    if (token === "{" || token === "[") {
      if (isOpen(out)) out += line();
      out += token;
      depth += 1;
    } else if (token === "}" || token === "]") {
      depth -= 1;
      out += isOpen(out) ? token : line() + token;
    } else if (token === ",") out += token + line();
    else if (token === ":") out += ": ";
    else out += isOpen(out) ? line() + token : token;
  }
  return out;
}

/** True if an object or array has begun and has no values yet. */
function isOpen(text: string): boolean {
  return text.endsWith("{") || text.endsWith("[");
}
