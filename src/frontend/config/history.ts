import { Limits, VarveError, formatGoTime, NS_PER_SECOND } from "../../core/index.ts";
import type { ImageDraft } from "./image-draft.ts";

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
  return formatGoTime(BigInt(seconds) * NS_PER_SECOND);
}

/** Characters of each image's history, because a config that is longer than the limit could not be read again. */
const sizes = new WeakMap<ImageDraft, number>();

function countCharacters(image: ImageDraft, by: number): void {
  const known = sizes.get(image) ?? image.history.reduce((sum, entry) => sum + (entry.created_by ?? "").length, 0);
  sizes.set(image, known + by);
  if (known + by > Limits.config)
    throw new VarveError(
      "limit-exceeded",
      `Cannot add to the image's history: it is longer than ${Limits.config} characters`,
    );
}

/** Whether an instruction makes a layer, or only a history entry. */
export type HistoryLayer = "layer" | "empty";

/**
 * Appends a history entry. Without an epoch, the exporter sets its time.
 * @throws {VarveError} `limit-exceeded` if the history is too long.
 */
export function addHistory(image: ImageDraft, createdBy: string, layer: HistoryLayer, epoch: number | undefined): void {
  countCharacters(image, createdBy.length);
  image.history.push({
    ...(epoch === undefined ? {} : { created: historyTime(epoch) }),
    created_by: createdBy,
    comment: COMMENT,
    ...(layer === "empty" ? { empty_layer: true } : {}),
  });
}
