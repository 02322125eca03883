import {
  type Descriptor,
  type Digest,
  Limits,
  type Reference,
  VarveError,
  digestAlgorithm,
  digestOf,
  formatReference,
  isDigest,
} from "../../core/index.ts";
import { collect } from "../../io/index.ts";
import type { Client, RequestOptions } from "../transport/client.ts";
import { ACCEPT_MANIFESTS, isDocumentType, parseDocument, plainMediaType, rejectSchema1 } from "./document.ts";
import type { Endpoint } from "../transport/endpoint.ts";
import { fromFirst } from "../transport/first-endpoint.ts";
import { bodyOf, headerOf, statusOf, type TransportResponse } from "../../http/index.ts";
import { repositoryScope } from "../auth/scope.ts";

/** A verified manifest or index. */
export interface ManifestContent {
  readonly descriptor: Descriptor;
  readonly bytes: Buffer;
}

interface Asked extends RequestOptions {
  readonly reference: Reference;
}

export interface PushManifestOptions extends RequestOptions {
  /**
   * Whether to send the manifest again if the registry says that its digest is wrong, although it is not. Default: true. False for callers
   * that must not overwrite what others have written meanwhile.
   */
  readonly isSentAgain?: boolean | undefined;
}

/** A HEAD request that the registry does not support, or whose response lacks headers. */
const HEAD_USELESS = new Set([400, 404, 405, 406, 500, 501]);

function pathOf({ repository, tag, digest }: Reference): string {
  return `${repository}/manifests/${digest ?? tag ?? "latest"}`;
}

function digestHeader(response: TransportResponse): Digest | undefined {
  const text = headerOf(response.headers, "docker-content-digest");
  return isDigest(text) ? text : undefined;
}

function mismatch(reference: Reference, wanted: Digest, actual: string): never {
  throw new VarveError("corrupt", `Cannot read ${formatReference(reference)}: its digest is ${actual}, not ${wanted}`, {
    details: { digest: wanted, actual },
  });
}

/** Returns the descriptor in the headers of a HEAD response, or undefined if they are incomplete. */
function describe(response: TransportResponse, reference: Reference): Descriptor | undefined {
  const mediaType = plainMediaType(headerOf(response.headers, "content-type"));
  rejectSchema1(mediaType, formatReference(reference));
  const digest = digestHeader(response);
  const length = headerOf(response.headers, "content-length") ?? "";
  if (digest === undefined || !isDocumentType(mediaType) || !/^\d{1,15}$/.test(length) || length === "0")
    return undefined;
  if (reference.digest !== undefined && reference.digest !== digest) mismatch(reference, reference.digest, digest);
  return { mediaType, digest, size: Number(length) };
}

async function head(
  client: Client,
  endpoint: Endpoint,
  { reference, ...asking }: Asked,
): Promise<Descriptor | undefined> {
  const url = await client.urlOf(endpoint, pathOf(reference), "", asking);
  const request = {
    method: "HEAD" as const,
    url,
    headers: { accept: ACCEPT_MANIFESTS },
    scopes: [repositoryScope(reference.repository, "pull")],
    accept: [200],
    doing: `resolve ${formatReference(reference)}`,
    ...asking,
  };
  try {
    return await client.request(endpoint, request, async (response) => {
      await response.discard();
      return describe(response, reference);
    });
  } catch (error) {
    if (HEAD_USELESS.has(statusOf(error) ?? 0)) return undefined;
    throw error;
  }
}

async function get(client: Client, endpoint: Endpoint, { reference, ...asking }: Asked): Promise<ManifestContent> {
  const name = formatReference(reference);
  const url = await client.urlOf(endpoint, pathOf(reference), "", asking);
  const request = {
    method: "GET" as const,
    url,
    headers: { accept: ACCEPT_MANIFESTS },
    scopes: [repositoryScope(reference.repository, "pull")],
    accept: [200],
    doing: `read ${name}`,
    ...asking,
  };
  const { bytes, type, announced } = await client.request(endpoint, request, async (response) => ({
    bytes: await collect(response.body, Limits.manifest, { what: `manifest ${name}` }),
    type: plainMediaType(headerOf(response.headers, "content-type")),
    announced: digestHeader(response),
  }));
  const wanted = reference.digest ?? announced;
  const digest = digestOf(bytes, wanted === undefined ? "sha256" : digestAlgorithm(wanted));
  if (wanted !== undefined && digest !== wanted) mismatch(reference, wanted, digest);
  const { mediaType } = parseDocument(bytes, type, name);
  return { descriptor: { mediaType, digest, size: bytes.byteLength }, bytes };
}

/** Resolves a reference by HEAD, or by GET where the response to HEAD is incomplete. */
export async function resolveManifest(
  client: Client,
  endpoints: readonly Endpoint[],
  asked: Asked,
): Promise<Descriptor> {
  return await fromFirst(endpoints, asked.signal, async (endpoint) => {
    return (await head(client, endpoint, asked)) ?? (await get(client, endpoint, asked)).descriptor;
  });
}

export async function fetchManifest(
  client: Client,
  endpoints: readonly Endpoint[],
  asked: Asked,
): Promise<ManifestContent> {
  return await fromFirst(endpoints, asked.signal, (endpoint) => get(client, endpoint, asked));
}

/**
 * Returns whether a registry says that the digest of a manifest is wrong. It is not: distribution's registry reads the links to the blobs
 * of a manifest, and finds them empty for the moment in which other clients write them.
 */
function isDigestRefused({ details }: VarveError): boolean {
  return details.status === 400 && details.registryCode === "DIGEST_INVALID";
}

/** Stores a manifest under the reference's tag, or under its own digest if there is none. */
export async function putManifest(
  client: Client,
  endpoint: Endpoint,
  { descriptor, bytes }: { readonly descriptor: Descriptor; readonly bytes: Uint8Array },
  { reference, isSentAgain = true, ...asking }: Asked & PushManifestOptions,
): Promise<void> {
  const { repository, tag } = reference;
  const url = await client.urlOf(endpoint, `${repository}/manifests/${tag ?? descriptor.digest}`, "", asking);
  const isRight = digestOf(bytes, digestAlgorithm(descriptor.digest)) === descriptor.digest;
  const request = {
    method: "PUT" as const,
    url,
    headers: { "content-type": descriptor.mediaType },
    body: bodyOf(bytes),
    scopes: [repositoryScope(repository, "pull", "push")],
    accept: [200, 201, 202],
    doing: `push ${formatReference(reference)}`,
    isTransient: (error: VarveError) => isSentAgain && isDigestRefused(error) && isRight,
    ...asking,
  };
  const stored = await client.request(endpoint, request, async (response) => {
    await response.discard();
    return digestHeader(response);
  });
  if (stored !== undefined && stored !== descriptor.digest) mismatch(reference, descriptor.digest, stored);
}
