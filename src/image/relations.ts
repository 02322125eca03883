import { addEdge, blobsHolding, contentTables, imagesHolding, removeEdgesFrom } from "../content/index.ts";
import type { Descriptor, Digest } from "../core/index.ts";
import { encodeContainerConfig, encodeDescriptor } from "./encode.ts";
import { parseContainerConfig } from "./read-config.ts";
import { parseDescriptor } from "./read-manifest.ts";
import { imageTables } from "./schema.ts";
import type { ContainerConfig } from "./types.ts";
import type { Database } from "../state/index.ts";

/** Facts about an image that its documents do not contain; see `LocalImage`. */
export interface Relation {
  readonly id: Digest;
  readonly manifest: Descriptor;
  readonly parent: Digest | undefined;
  readonly builtHere: boolean;
  readonly containerConfig: ContainerConfig | undefined;
}

interface RelationRow {
  readonly id: Digest;
  readonly descriptor: string;
  readonly parent: Digest | null;
  readonly container_config: string | null;
  readonly built_here: number;
}

function fromRow(row: RelationRow): Relation {
  const { container_config: config } = row;
  return {
    id: row.id,
    manifest: parseDescriptor(row.descriptor),
    parent: row.parent ?? undefined,
    builtHere: row.built_here === 1,
    containerConfig: config === null ? undefined : parseContainerConfig(config),
  };
}

/**
 * Parents and container configs of images, and whether they were built here, by image ID. The collector keeps an image with a row,
 * even if it has no name. All methods are synchronous and take part in the caller's transaction, if there is one.
 */
export class ImageRelations {
  readonly #state: Database;

  constructor(state: Database) {
    state.install(contentTables, imageTables);
    this.#state = state;
  }

  get(id: Digest): Relation | undefined {
    const row = this.#state.get<RelationRow>("SELECT * FROM local_image WHERE id = ?", id);
    return row === undefined ? undefined : fromRow(row);
  }

  /** Returns all relations, sorted by ID. */
  list(): Relation[] {
    return this.#state.all<RelationRow>("SELECT * FROM local_image ORDER BY id").map(fromRow);
  }

  /** Returns the images built from `parent`; for undefined, those that were built here from scratch. */
  children(parent: Digest | undefined): Relation[] {
    const where = parent === undefined ? "parent IS NULL AND built_here = 1" : "parent = ?";
    const values = parent === undefined ? [] : [parent];
    return this.#state.all<RelationRow>(`SELECT * FROM local_image WHERE ${where} ORDER BY id`, ...values).map(fromRow);
  }

  hasChildren(id: Digest): boolean {
    return this.#state.get("SELECT 1 FROM local_image WHERE parent = ? LIMIT 1", id) !== undefined;
  }

  /** Returns the normalised names of a manifest, including those of indexes that contain it. */
  names(manifest: Digest): string[] {
    // The edge of an image without a name has the image ID instead.
    const isName = (id: string): boolean => this.#state.get("SELECT 1 FROM image WHERE name = ?", id) !== undefined;
    return imagesHolding(this.#state, manifest).filter(isName);
  }

  /** Returns the manifest of an image with a row or a name, or undefined. */
  manifestOf(id: Digest): Digest | undefined {
    const row = this.#state.get<{ manifest: Digest }>("SELECT manifest FROM local_image WHERE id = ?", id);
    return row?.manifest ?? blobsHolding(this.#state, id).find((manifest) => this.names(manifest).length > 0);
  }

  /** Stores the relation of an image that was built here. An image that exists already keeps its manifest. Durable. */
  record(image: Relation): void {
    const config = image.containerConfig === undefined ? null : encodeContainerConfig(image.containerConfig);
    this.#state.transaction(
      () => {
        this.adopt(image.id, image.manifest);
        this.#state.run(
          "UPDATE local_image SET parent = ?, container_config = ?, built_here = ? WHERE id = ?",
          image.parent ?? null,
          config,
          image.builtHere ? 1 : 0,
          image.id,
        );
      },
      { durable: true },
    );
  }

  /** Stores an image that was not built here, without a parent. Does nothing if the image exists already. Durable. */
  adopt(id: Digest, manifest: Descriptor): void {
    this.#state.transaction(
      () => {
        this.#state.run(
          "INSERT OR IGNORE INTO local_image VALUES (?, ?, ?, NULL, NULL, 0)",
          id,
          manifest.digest,
          encodeDescriptor(manifest),
        );
        const kept = this.#state.get<{ manifest: Digest }>("SELECT manifest FROM local_image WHERE id = ?", id);
        addEdge(this.#state, { kind: "image", id }, { kind: "blob", id: kept?.manifest ?? manifest.digest });
      },
      { durable: true },
    );
  }

  /** Changes the parent of an image. Returns false if the image has no row. */
  setParent(id: Digest, parent: Digest): boolean {
    return this.#state.run("UPDATE local_image SET parent = ? WHERE id = ?", parent, id).changes > 0;
  }

  /** Removes a row; false if there is none. Names of the image stay, and its children keep its ID as their parent. Durable. */
  remove(id: Digest): boolean {
    return this.#state.transaction(
      () => {
        removeEdgesFrom(this.#state, { kind: "image", id });
        return this.#state.run("DELETE FROM local_image WHERE id = ?", id).changes > 0;
      },
      { durable: true, frees: true },
    );
  }
}
