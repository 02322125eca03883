import type { Digest } from "../core/index.ts";
import type { Database, Row } from "../state/index.ts";
import { recordTables } from "./schema.ts";
import type { RecordId } from "./types.ts";

/** Maximum number of places that are remembered. The least recently saved ones are forgotten. */
const MAX_PLACES = 64;

/** A layer that was made at a place: by the same step on top of the same record, of other files. */
export interface LayerVersion {
  readonly record: RecordId;
  /** What is in the layer, as whoever made it encoded it. */
  readonly listing: Uint8Array;
}

/** The latest layer of each place where layers are made again and again. Keeps no record alive. */
export class LayerVersions {
  readonly #state: Database;

  constructor(state: Database) {
    state.install(recordTables);
    this.#state = state;
  }

  /** Returns the latest version at a place, if its record still has the snapshot that was listed. */
  find(place: Digest): LayerVersion | undefined {
    return this.#state.get<LayerVersion & Row>(
      "SELECT record, listing FROM layer_version AS version WHERE place = ? AND EXISTS " +
        "(SELECT 1 FROM record WHERE record.id = version.record AND record.snapshot = version.snapshot)",
      place,
    );
  }

  /** Saves the version at a place. Saves nothing if the record has no snapshot. */
  save(place: Digest, { record, listing }: LayerVersion): void {
    this.#state.transaction(() => {
      this.#state.note(
        "INSERT OR REPLACE INTO layer_version (place, record, snapshot, listing, saved_at) " +
          "SELECT ?, id, snapshot, ?, ? FROM record WHERE id = ? AND snapshot IS NOT NULL",
        place,
        listing,
        Date.now(),
        record,
      );
      const oldest = "SELECT place FROM layer_version ORDER BY saved_at DESC LIMIT -1 OFFSET ?";
      this.#state.note(`DELETE FROM layer_version WHERE place IN (${oldest})`, MAX_PLACES);
    });
  }
}
