import { type ContentStore, isLostBlob } from "../content/index.ts";
import { type Digest, type Reference, VarveError, digestHex, parseReference } from "../core/index.ts";
import type { Hold, RecordId, Records } from "../record/index.ts";
import type { Registry } from "../registry/index.ts";
import { type ClientStoreName, type OpenClientStore, fetchFromClient } from "./client-store.ts";
import { fileRecord } from "./single-file.ts";

/** A blob of a registry, or of a store of the client, as a file. */
export interface BlobRequest {
  /** `registry/repository@digest`. */
  readonly name: string;
  /** Absent: the blob is in a registry. */
  readonly client?: ClientStoreName | undefined;
  /** A single path element. Default: the digest in hexadecimal. */
  readonly filename?: string | undefined;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  /** Permission bits. Default: 0600. */
  readonly mode?: number | undefined;
}

export interface BlobSourceDeps {
  readonly content: ContentStore;
  readonly records: Records;
  readonly registry: () => Promise<Registry>;
  /** Opens stores of the client. Absent: the client serves none. */
  readonly openClientStore?: OpenClientStore | undefined;
}

/**
 * Returns the digest that a request names.
 *
 * @throws {VarveError} `invalid-argument` for a name without a digest.
 */
export function blobDigest({ name }: Pick<BlobRequest, "name">): Digest {
  return pinned(name).digest;
}

function pinned(name: string): { readonly reference: Reference; readonly digest: Digest } {
  const reference = parseReference(name);
  const { digest } = reference;
  if (digest !== undefined) return { reference, digest };
  throw new VarveError("invalid-argument", `invalid reference digest: ${JSON.stringify(name)} has none`);
}

/**
 * Returns a record that contains only the blob, with the requested owner and mode and the time 1970. Fetches the blob unless it is in
 * the content store.
 *
 * @throws {VarveError} `invalid-argument` for a name without a digest; `not-found`; `corrupt`; the errors of a registry.
 */
export async function blobRecord(request: BlobRequest, deps: BlobSourceDeps, hold: Hold): Promise<RecordId> {
  const { name, filename, uid = 0, gid = 0, mode = 0 } = request;
  const { digest } = pinned(name);
  const file = {
    digest,
    name: filename ?? digestHex(digest),
    uid,
    gid,
    mode,
    time: 0,
    description: `blob ${name}`,
  };
  hold.lease.add("blob", digest);
  try {
    return await fileRecord(file, deps, hold);
  } catch (error) {
    if (!isLostBlob(error)) throw error;
  }
  await fetchBlob(request, deps, hold);
  return await fileRecord(file, deps, hold);
}

/** Fetches the blob of a request into the content store, unless it is there. Throws as `blobRecord`. */
export async function fetchBlob(
  { name, client }: BlobRequest,
  { content, registry, openClientStore }: BlobSourceDeps,
  hold: Hold,
): Promise<void> {
  const { reference, digest } = pinned(name);
  hold.lease.add("blob", digest);
  if (content.info(digest) !== undefined) return;
  if (client !== undefined) {
    if (openClientStore === undefined)
      throw new VarveError("not-found", `Cannot fetch blob ${digest}: the client serves no stores`);
    await fetchFromClient(openClientStore(client), { digest }, content, hold);
    return;
  }
  const { fetchBlob: fetchFromRegistry } = await import("../registry/index.ts");
  const opened = await registry();
  const size = await opened.blobSize(reference, digest, hold);
  const where = `${reference.registry}/${reference.repository}`;
  if (size === undefined)
    throw new VarveError("not-found", `${where}@${digest}: not found`, {
      details: { digest, host: reference.registry },
    });
  const descriptor = { mediaType: "application/octet-stream", digest, size };
  await fetchFromRegistry(opened, reference, descriptor, { ...hold, store: content });
}
