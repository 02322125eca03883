import {
  type Descriptor,
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

/** A name and what it stands for. */
export interface NamedImage {
  /** Normalised: `docker.io/library/alpine:3.20`. */
  readonly name: string;
  /** Of a manifest or an index. */
  readonly descriptor: Descriptor;
  /** ms since the epoch. */
  readonly createdAt: number;
  readonly updatedAt: number;
}

interface ImageRow {
  readonly name: string;
  readonly descriptor: string;
  readonly created_at: number;
  readonly updated_at: number;
}

/** The form in which names are kept: with registry, and with tag `latest` if there is neither tag nor digest. */
export function normalizeImageName(name: string): string {
  return formatReference(withDefaultTag(parseReference(name)));
}

function fromRow(row: ImageRow): NamedImage {
  const what = `the descriptor of image ${row.name}`;
  const descriptor = readDescriptor(parseJson(row.descriptor, what).requiredObject());
  return { name: row.name, descriptor, createdAt: row.created_at, updatedAt: row.updated_at };
}

/** The names of a root. A name keeps its image, and whatever that reaches, from being collected. */
export class ImageStore {
  readonly #state: Database;

  constructor(state: Database) {
    state.install(contentTables, imageTables);
    this.#state = state;
  }

  /** By any form of the name; undefined if there is none. */
  get(name: string): NamedImage | undefined {
    const row = this.#state.get<ImageRow>("SELECT * FROM image WHERE name = ?", normalizeImageName(name));
    return row === undefined ? undefined : fromRow(row);
  }

  /** In order of name. */
  list(): NamedImage[] {
    return this.#state.all<ImageRow>("SELECT * FROM image ORDER BY name").map(fromRow);
  }

  /**
   * Gives an image a name, taking it from another one that has it. Durable when it returns. The blobs must be kept by a
   * lease until then, and linked (`linkImage`).
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
    return fromRow(row as ImageRow);
  }

  /** False if there was no such name. What it kept goes at the next collection. */
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
