import type { SourceKey, SourceOp, Vertex } from "../../llb/index.ts";
import type { Hold } from "../../record/index.ts";
import type { OpReport } from "../../solver/index.ts";
import type { Result } from "./result.ts";

/** A source in two steps: what it stands for, as alternative keys, and its files. */
export interface Source {
  keys(hold: Hold, report: Report): Promise<readonly SourceKey[]>;
  result(hold: Hold, report: Report): Promise<Result>;
  /** When it was made, in seconds since 1970; undefined if nobody says. */
  time?(hold: Hold): Promise<number | undefined>;
}

/** Takes what a source tells while it works. */
export type Report = (report: OpReport) => void;

export type SourceVertex = Vertex & { readonly op: SourceOp };
