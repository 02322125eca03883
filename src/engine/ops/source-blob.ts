import { VarveError } from "../../core/index.ts";
import { blobKey } from "../../llb/index.ts";
import { type BlobRequest, type ClientStoreName, blobDigest } from "../../source/index.ts";
import { type Attributes, clientStore, integer, recordType } from "./attributes.ts";
import type { OpDeps } from "./deps.ts";
import { recordResult } from "./result.ts";
import type { Source, SourceVertex } from "./source-types.ts";

/** Returns the source of a registry's blob, as a file. */
export function imageBlobSource({ op }: SourceVertex, name: string, deps: OpDeps): Source {
  return blobSource({ ...fileOf(op.attrs), name }, deps);
}

/** Returns the source of a blob in an OCI layout of the client, as a file. */
export function layoutBlobSource({ op }: SourceVertex, name: string, deps: OpDeps): Source {
  const client: ClientStoreName | undefined = clientStore(op.attrs);
  if (client === undefined) throw new VarveError("invalid-argument", "oci-layout blob source requires store id");
  return blobSource({ ...fileOf(op.attrs), name, client }, deps);
}

function fileOf(attrs: Attributes): Omit<BlobRequest, "name"> {
  recordType(attrs);
  const filename = attrs.get("http.filename");
  return {
    filename: filename === undefined ? undefined : fileName(filename),
    mode: integer(attrs, "http.perm"),
    uid: integer(attrs, "http.uid"),
    gid: integer(attrs, "http.gid"),
  };
}

/** Returns the last element of a path, as BuildKit does: `download` if that is not a name. */
function fileName(path: string): string {
  const name = path.trim().replace(/\/+$/, "").split("/").at(-1) ?? "";
  return name === "" || name === "." || name === ".." || /\p{Cc}/u.test(name) ? "download" : name;
}

function blobSource(request: BlobRequest, deps: OpDeps): Source {
  const digest = blobDigest(request);
  const { filename = "", mode: perm = 0, uid = 0, gid = 0 } = request;
  return {
    keys: () => Promise.resolve([blobKey(digest, { filename, perm, uid, gid })]),
    result: async (hold) => recordResult(await deps.images.blob(request, hold, deps.client.openStore)),
  };
}
