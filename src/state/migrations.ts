import { cache } from "./schema/cache.ts";
import { classic } from "./schema/classic.ts";
import { content } from "./schema/content.ts";
import { context } from "./schema/context.ts";
import { image } from "./schema/image.ts";
import { record } from "./schema/record.ts";
import { snapshot } from "./schema/snapshot.ts";
import { source } from "./schema/source.ts";

/**
 * What brings a database from version n (the index) to n + 1. A migration that has been released is never edited: a
 * change of schema is a new one at the end.
 */
export const MIGRATIONS: readonly string[] = [
  [content, snapshot, image, record, cache, context, source].join("\n"),
  classic,
];

/** Marks a file as ours: `PRAGMA application_id`, "VARV" in ASCII. */
export const APPLICATION_ID = 0x56_41_52_56;
