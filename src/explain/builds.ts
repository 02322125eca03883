import { deflateRawSync, inflateRawSync } from "node:zlib";
import { type JsonObject, VarveError, parseJson } from "../core/index.ts";
import type { Explanation, Reason } from "./reason.ts";
import { reasonText } from "./text.ts";

/** A step of a build that has ended. */
export interface ExplainedStep {
  readonly name: string;
  /** `hit`, `run`, `skipped` or `failed`. */
  readonly status: string;
  /** The cache of a hit. */
  readonly cache: string | null;
  /** Duration in milliseconds. */
  readonly ms: number;
  readonly why?: StoredExplanation | undefined;
}

/** A reason with its texts; `full` names every change. */
export interface StoredExplanation {
  /** As JSON. */
  readonly reason: unknown;
  readonly text: string;
  readonly full: string;
}

/** A build that has run a step. */
export interface ExplainedBuild {
  readonly ref: string;
  /** Milliseconds since 1970. */
  readonly endedAt: number;
  readonly steps: readonly ExplainedStep[];
}

/** Maximum bytes of the steps of one build. */
const MAX_STEPS = 16_777_216;

/** Adds the full text to an explanation. */
export function storedExplanation({ reason, text }: Explanation): StoredExplanation {
  return { reason, text, full: reasonText(reason satisfies Reason, { full: true }) };
}

/** Encodes the steps of a build as compressed JSON. */
export function encodeSteps(steps: readonly ExplainedStep[]): Buffer {
  return deflateRawSync(JSON.stringify({ steps }));
}

/**
 * Reads what `encodeSteps` wrote.
 * @throws {VarveError} `corrupt`
 */
export function decodeSteps(bytes: Uint8Array): ExplainedStep[] {
  return parseJson(inflate(bytes), "the steps of a build").requiredObject().objects("steps").map(readStep);
}

function inflate(bytes: Uint8Array): Buffer {
  try {
    return inflateRawSync(bytes, { maxOutputLength: MAX_STEPS });
  } catch (error) {
    throw new VarveError("corrupt", "Cannot read the steps of a build: they cannot be decompressed", { cause: error });
  }
}

function readStep(json: JsonObject): ExplainedStep {
  const why = json.object("why");
  return {
    name: json.string("name") ?? "",
    status: json.string("status") ?? "",
    cache: json.string("cache") ?? null,
    ms: json.field("ms").number() ?? 0,
    ...(why && {
      why: { reason: why.field("reason").raw, text: why.string("text") ?? "", full: why.string("full") ?? "" },
    }),
  };
}
