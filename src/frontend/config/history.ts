import { Limits, VarveError, formatGoTime } from "../../core/index.ts";
import type { ImageConfig } from "./image.ts";

const COMMENT = "buildkit.dockerfile.v0";
/** The years 1 to 9999, in seconds since 1970. */
const EARLIEST = -62_135_596_800;
const LATEST = 253_402_300_799;

/**
 * Formats a time of the history as Go does.
 *
 * @param seconds - Seconds since 1970.
 * @throws {VarveError} `invalid-argument` outside the years 1 to 9999.
 */
export function historyTime(seconds: number): string {
  if (!Number.isInteger(seconds) || seconds < EARLIEST || seconds > LATEST)
    throw new VarveError("invalid-argument", `Cannot use ${seconds} as a time: its year is not from 1 to 9999`);
  return formatGoTime(BigInt(seconds) * 1_000_000_000n);
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
    ...(epoch === undefined ? {} : { created: historyTime(epoch) }),
    created_by: createdBy,
    comment: COMMENT,
    ...(layer === "empty" ? { empty_layer: true } : {}),
  });
}
