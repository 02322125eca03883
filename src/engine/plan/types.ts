import type { Reason } from "../../explain/index.ts";

/** What a build would do for one step. */
export type PlanOutcome =
  /** It would take the result from a cache: `local`, the name of an imported cache, or `traced` for an earlier run on other files. */
  | {
      readonly kind: "hit";
      readonly cache: string;
      /** When the result was made, in milliseconds since 1970. */
      readonly createdAt: number;
      /** Bytes of the layers of the step that are not on this machine. They are fetched if something reads them. */
      readonly fetchBytes: number;
    }
  /** It would run the step. `text` says why; it is empty where there is nothing to say. */
  | {
      readonly kind: "miss";
      readonly reason?: Reason | undefined;
      readonly text: string;
      /** How long the step took when it last ran here, in milliseconds. */
      readonly lastMs?: number | undefined;
    }
  /** It depends on results that do not exist yet: those of the steps `on`, or on a download if there are none. */
  | { readonly kind: "unknown"; readonly on: readonly string[]; readonly lastMs?: number | undefined }
  /** The result is not cached, but not needed either: one that was made from it is cached. */
  | { readonly kind: "unneeded" };

export interface PlanStep {
  readonly name: string;
  /** Digest of the vertex, as in `StepReport`. */
  readonly digest: string;
  /** The platform that it is built for. */
  readonly platform: string;
  readonly outcome: PlanOutcome;
}

/** What a build would do. */
export interface BuildPlan {
  readonly steps: readonly PlanStep[];
  readonly totals: {
    readonly hits: number;
    readonly misses: number;
    readonly unknown: number;
    /** Bytes of layers that hits have and this machine has not, each layer counted once. */
    readonly fetchBytes: number;
    /** How long the misses took when they last ran, in milliseconds. Steps that never ran here count as 0. */
    readonly lastMs: number;
  };
}
