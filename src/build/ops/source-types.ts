import type { SourceKey, SourceOp, Vertex } from "../../llb/index.ts";
import type { Hold } from "../../record/index.ts";
import type { Result } from "./result.ts";

/** A source in two steps: what it stands for, as alternative keys, and its files. */
export interface Source {
  keys(hold: Hold): Promise<readonly SourceKey[]>;
  result(hold: Hold): Promise<Result>;
  /** When it was made, in seconds since 1970; undefined if nobody says. */
  time?(hold: Hold): Promise<number | undefined>;
}

export type SourceVertex = Vertex & { readonly op: SourceOp };
