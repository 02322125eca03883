import { VarveError } from "../../../core/index.ts";
import { GrpcCode, type GrpcError } from "../../../grpc/index.ts";
import type { Attributes } from "../dockerfile/attributes.ts";
import { frontendCapDetail } from "../errors/detail.ts";
import { errorOf } from "../errors/status.ts";

/** What clients can ask of the built-in front end with `frontend.caps`. */
const BUILTIN: ReadonlySet<string> = new Set(
  ["inputs", "subrequests", "contexts", "gitquerystring"].map((name) => `moby.buildkit.frontend.${name}`),
);

/** A capability, and whether a front end that lacks it may forward the request to one that has it. */
interface WantedCap {
  readonly name: string;
  readonly mayForward: boolean;
}

function wantedCaps(attributes: Attributes): WantedCap[] {
  const given = (attributes.get("frontend.caps") ?? "").split(",");
  return given.flatMap((text) => {
    const [name = ""] = text.split("+");
    return name === "" ? [] : [{ name, mayForward: text.includes("+forward") }];
  });
}

/** Returns the capability that a request wants and the built-in front end lacks: rather one for which it may not forward the request. */
export function missingCap(attributes: Attributes): WantedCap | undefined {
  const missing = wantedCaps(attributes).filter(({ name }) => !BUILTIN.has(name));
  return missing.find(({ mayForward }) => !mayForward) ?? missing[0];
}

/** Throws if a request wants something that the front end of an image does not have. `label` lists what it has. */
export function checkCaps(attributes: Attributes, label: string, { inputs }: { readonly inputs: boolean }): void {
  const known = new Set(label.split(",").map((text) => text.split("+")[0] ?? ""));
  const wanted = wantedCaps(attributes).map(({ name }) => name);
  const missing = [...wanted, ...(inputs ? ["moby.buildkit.frontend.inputs"] : [])].find((name) => !known.has(name));
  if (missing !== undefined) throw capError(missing);
}

export function capError(name: string): GrpcError {
  const message = `unsupported frontend capability ${name}`;
  const cause = new VarveError("unsupported", message);
  return errorOf({ code: GrpcCode.unimplemented, message, details: [frontendCapDetail(name)] }, cause);
}
