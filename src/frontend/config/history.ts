import { Limits, VarveError } from "../../core/index.ts";
import type { ImageConfig } from "./image.ts";

const COMMENT = "buildkit.dockerfile.v0";
const LATEST = 253_402_300_799;

/** RFC 3339 of seconds since 1970, as Go writes it; throws `invalid-argument` outside the years 1 to 9999. */
export function rfc3339(seconds: number): string {
  const date = new Date(seconds * 1000);
  if (!Number.isInteger(seconds) || seconds > LATEST || Number.isNaN(date.getTime()) || date.getUTCFullYear() < 1)
    throw new VarveError("invalid-argument", `Cannot use ${seconds} as a time: its year has more than four digits`);
  return date.toISOString().replace(".000Z", "Z");
}

/** Characters of each image's history: a config past its limit could not be read back. */
const sizes = new WeakMap<ImageConfig, number>();

function grow(image: ImageConfig, by: number): void {
  const known = sizes.get(image) ?? image.history.reduce((sum, entry) => sum + (entry.created_by ?? "").length, 0);
  sizes.set(image, known + by);
  if (known + by > Limits.config)
    throw new VarveError(
      "limit-exceeded",
      `Cannot add to the image's history: it is longer than ${Limits.config} characters`,
    );
}

/** What an instruction leaves in the history: a layer, or nothing but its text. */
export type HistoryLayer = "layer" | "empty";

/** Appends an entry. Without an epoch the exporter fills in the time. */
export function addHistory(
  image: ImageConfig,
  createdBy: string,
  layer: HistoryLayer,
  epoch: number | undefined,
): void {
  grow(image, createdBy.length);
  image.history.push({
    ...(epoch === undefined ? {} : { created: rfc3339(epoch) }),
    created_by: createdBy,
    comment: COMMENT,
    ...(layer === "empty" ? { empty_layer: true } : {}),
  });
}
