import type { VarveError } from "../../core/index.ts";
import type { StartedProcess } from "./types.ts";

/** A process that could not be started. */
export function failedProcess(failure: VarveError): StartedProcess {
  return {
    ended: Promise.resolve({ kind: "failure", error: failure }),
    drained: Promise.resolve(),
    signal: () => undefined,
    resize: () => undefined,
  };
}
