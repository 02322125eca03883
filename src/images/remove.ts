import {
  type Descriptor,
  type Digest,
  type RemoveConflict,
  VarveError,
  familiarReference,
  parseReference,
} from "../core/index.ts";
import { type ImageConfig, ImageRelations } from "../image/index.ts";
import type { InUse, LocalImages, Removal } from "./types.ts";
import { findImage } from "./find.ts";

export interface RemoveOptions {
  /** Remove an image that stopped containers use, or an ID with several names. Default false. */
  readonly force?: boolean | undefined;
  /** Keep untagged parents that nothing else needs. Default false. */
  readonly noPrune?: boolean | undefined;
  /** Returns whether containers use an image. Default: no image is in use. */
  readonly inUse?: InUse | undefined;
}

interface Target {
  readonly id: Digest;
  readonly manifest: Descriptor;
  readonly names: readonly string[];
  readonly config: ImageConfig;
}

const REASONS: Readonly<Record<RemoveConflict["reason"], string>> = {
  "several-references": "it has several names",
  children: "other images were made from it",
  "in-use": "a container uses it",
};

function refuse(conflict: RemoveConflict, what: string): VarveError {
  return new VarveError("busy", `Cannot remove image ${what}: ${REASONS[conflict.reason]}`, {
    details: { conflict },
    ...(conflict.soft && { hint: `To remove it anyway: varve rmi --force ${what}` }),
  });
}

/** The deletions of one call. Its methods are called inside a transaction. */
class Removing {
  readonly done: Removal[] = [];
  readonly #store: LocalImages;
  readonly #relations: ImageRelations;
  readonly #inUse: InUse;

  constructor(store: LocalImages, inUse: InUse = () => undefined) {
    this.#store = store;
    this.#relations = new ImageRelations(store.state);
    this.#inUse = inUse;
  }

  untag({ id, config }: Target, name: string): void {
    if (this.#store.images.remove(name)) this.done.push({ kind: "untagged", reference: name, id, config });
  }

  /** Returns why an image without names cannot be deleted, or undefined if it can. */
  conflict(id: Digest, force: boolean): RemoveConflict | undefined {
    const use = this.#inUse(id);
    if (use === "running" || (use === "stopped" && !force)) return { reason: "in-use", soft: use === "stopped", id };
    return this.#relations.hasChildren(id) ? { reason: "children", soft: false, id } : undefined;
  }

  /** Deletes an image without names. Unless `noPrune` is set, also deletes the untagged parents that only it needed. */
  delete(id: Digest, noPrune: boolean): void {
    const parent = this.#relations.get(id)?.parent;
    this.#relations.remove(id);
    this.done.push({ kind: "deleted", id });
    if (!noPrune) this.#prune(parent);
  }

  #prune(parent: Digest | undefined): void {
    for (let id = parent; id !== undefined;) {
      const relation = this.#relations.get(id);
      if (relation === undefined || this.#relations.names(relation.manifest.digest).length > 0) return;
      if (this.conflict(id, false) !== undefined) return;
      this.#relations.remove(id);
      this.done.push({ kind: "deleted", id });
      id = relation.parent;
    }
  }
}

/** Removes a name. Deletes the image if this was its last name, unless something needs it. Such an image stays without a name. */
function removeName(
  removing: Removing,
  target: Target,
  name: string,
  options: RemoveOptions,
  store: LocalImages,
): void {
  const { id, manifest, names } = target;
  if (names.length > 1) return removing.untag(target, name);
  const { force = false, noPrune = false, inUse } = options;
  if (inUse?.(id) !== undefined && !force)
    throw refuse({ reason: "in-use", soft: true, id }, familiarReference(parseReference(name)));
  const stays = removing.conflict(id, force) !== undefined;
  if (stays) new ImageRelations(store.state).adopt(id, manifest);
  removing.untag(target, name);
  if (!stays) removing.delete(id, noPrune);
}

function removeId(removing: Removing, target: Target, { force = false, noPrune = false }: RemoveOptions): void {
  const { id, names } = target;
  const conflict = removing.conflict(id, force);
  if (conflict !== undefined) throw refuse(conflict, id);
  if (names.length > 1 && !force) throw refuse({ reason: "several-references", soft: true, id }, id);
  for (const name of names) removing.untag(target, name);
  removing.delete(id, noPrune);
}

/**
 * Removes a name, or the image of an ID, as `docker rmi` does, and returns what was removed, in order. An image that others were built
 * from stays in the store. The next garbage collection deletes the blobs.
 *
 * @throws {VarveError} `not-found` if there is no such image, `busy` with a `RemoveConflict` in `details.conflict` if it is needed.
 */
export async function removeImage(store: LocalImages, text: string, options: RemoveOptions = {}): Promise<Removal[]> {
  const found = await findImage(store, text);
  if (found === undefined) return removeUnreadable(store, text);
  const { image, name, target: named } = found;
  return store.state.transaction(
    () => {
      // The name may have moved to another image while this one was read.
      if (name !== undefined && store.images.get(name)?.descriptor.digest !== named.digest) throw notFound(text);
      const removing = new Removing(store, options.inUse);
      const names = new ImageRelations(store.state).names(image.manifest.digest);
      const target: Target = { id: image.id, manifest: image.manifest, names, config: image.config };
      if (name === undefined) removeId(removing, target, options);
      else removeName(removing, target, name, options, store);
      return removing.done;
    },
    { durable: true, frees: true },
  );
}

/** Removes an image whose documents are damaged or missing, by its name or its full ID. */
function removeUnreadable(store: LocalImages, text: string): Removal[] {
  const hex = /^(?:sha256:)?([0-9a-f]{64})$/.exec(text)?.[1];
  if (hex !== undefined) {
    const id: Digest = `sha256:${hex}`;
    if (new ImageRelations(store.state).remove(id)) return [{ kind: "deleted", id }];
    throw notFound(text);
  }
  const named = store.images.get(text);
  if (named === undefined) throw notFound(text);
  store.images.remove(named.name);
  return [{ kind: "untagged", reference: named.name, id: named.descriptor.digest, config: undefined }];
}

function notFound(text: string): VarveError {
  return new VarveError("not-found", `Cannot find image ${text}: no such image in the store`, {
    hint: "To list the images: varve images",
  });
}
