/** The entry point `varve/content`: a store of blobs by digest. */
import { type ContentStore, openContentStore as openStore } from "../content/index.ts";

export * from "./vocabulary.ts";
export {
  type BlobInfo,
  type Collected,
  type CollectedSnapshots,
  type CommitOptions,
  type ContentStore,
  type Damage,
  type FollowOptions,
  type Followed,
  type Ingest,
  type IngestOptions,
  type Lease,
  type LeaseOptions,
  type LeasedKind,
  type OpenOptions,
  type PutOptions,
  type QuarantinedBlob,
  type ReadOptions,
  type Sweepers,
  type Verification,
  type VerifiedBlob,
  type VerifyOptions,
  type VerifyProgress,
  damagedBlobOf,
  isLostBlob,
} from "../content/index.ts";

/**
 * Opens the content store of a root directory, and creates it if it does not exist. The store of `openStore` with the same root
 * has the same blobs.
 *
 * @throws {VarveError} `storage` if the directory cannot be used.
 *
 * @example
 * using content = openContentStore("/var/lib/varve");
 * const { digest, size } = await content.put(new TextEncoder().encode("a blob"));
 */
export function openContentStore(root: string): ContentStore {
  return openStore(root);
}
export type { Bytes, Expected } from "../io/index.ts";
