import type { SourceKey, SourceOp, Vertex } from "../../llb/index.ts";
import type { Hold } from "../../record/index.ts";
import type { OpReport } from "../../solver/index.ts";
import type { Result } from "./result.ts";

/** A source of files. Its keys are computed before its files are fetched. */
export interface Source {
  /** Returns alternative cache keys: a hit of any of them is a hit of the source. */
  keys(hold: Hold, report: Report): Promise<readonly SourceKey[]>;
  /** Fetches the files. */
  result(hold: Hold, report: Report): Promise<Result>;
}

/** Receives logs, progress and warnings of a source. */
export type Report = (report: OpReport) => void;

export type SourceVertex = Vertex & { readonly op: SourceOp };
