import {
  type Descriptor,
  VarveError,
  formatReference,
  goJson,
  parseJson,
  parseReference,
  readDescriptor,
  withDefaultTag,
} from "../core/index.ts";
import { addEdge, contentTables, removeEdgesFrom } from "../content/index.ts";
import type { Database } from "../state/index.ts";
import { descriptorJson } from "./encode.ts";
import { imageTables } from "./schema.ts";

/** A name and the image it refers to. */
export interface NamedImage {
  /** Normalised: `docker.io/library/alpine:3.20`. */
  readonly name: string;
  /** The descriptor of a manifest or an index. */
  readonly descriptor: Descriptor;
  /** In milliseconds since 1970. */
  readonly createdAt: number;
  readonly updatedAt: number;
}

interface ImageRow {
  readonly name: string;
  readonly descriptor: string;
  readonly created_at: number;
  readonly updated_at: number;
}

/** Returns the form in which names are stored: with a registry, and with the tag `latest` if there is neither tag nor digest. */
export function normalizeImageName(name: string): string {
  return formatReference(withDefaultTag(parseReference(name)));
}

function fromRow(row: ImageRow): NamedImage {
  const what = `the descriptor of image ${row.name}`;
  const descriptor = readDescriptor(parseJson(row.descriptor, what).requiredObject());
  return { name: row.name, descriptor, createdAt: row.created_at, updatedAt: row.updated_at };
}

/** The names of images. The collector keeps a named image and everything that it reaches. */
export class ImageStore {
  readonly #state: Database;

  constructor(state: Database) {
    state.install(contentTables, imageTables);
    this.#state = state;
  }

  /** Returns the image with a name in any form, or undefined. Throws `invalid-argument` for a malformed name. */
  get(name: string): NamedImage | undefined {
    const row = this.#state.get<ImageRow>("SELECT * FROM image WHERE name = ?", normalizeImageName(name));
    return row === undefined ? undefined : fromRow(row);
  }

  /** Returns all names, sorted. */
  list(): NamedImage[] {
    return this.#state.all<ImageRow>("SELECT * FROM image ORDER BY name").map(fromRow);
  }

  /**
   * Gives an image a name. If another image has the name, it loses it. The change is durable when the method returns. Until then a
   * lease must keep the blobs, and they must be linked (`linkImage`).
   */
  tag(name: string, descriptor: Descriptor): NamedImage {
    const normal = normalizeImageName(name);
    const now = Date.now();
    const json = goJson(descriptorJson(descriptor));
    const sql = `INSERT INTO image VALUES (?, ?, ?, ?)
      ON CONFLICT (name) DO UPDATE SET descriptor = excluded.descriptor, updated_at = excluded.updated_at
      RETURNING *`;
    const row = this.#state.transaction(
      () => {
        removeEdgesFrom(this.#state, { kind: "image", id: normal });
        addEdge(this.#state, { kind: "image", id: normal }, { kind: "blob", id: descriptor.digest });
        return this.#state.get<ImageRow>(sql, normal, json, now, now);
      },
      { durable: true },
    );
    if (row === undefined) throw new VarveError("internal", `Cannot tag image ${normal}: it was not stored`);
    return fromRow(row);
  }

  /** Removes a name. Returns false if it does not exist. The next collection removes what nothing else keeps. */
  remove(name: string): boolean {
    const normal = normalizeImageName(name);
    return this.#state.transaction(
      () => {
        removeEdgesFrom(this.#state, { kind: "image", id: normal });
        return this.#state.run("DELETE FROM image WHERE name = ?", normal).changes > 0;
      },
      { durable: true, frees: true },
    );
  }
}
