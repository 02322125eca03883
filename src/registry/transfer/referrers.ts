import {
  type Descriptor,
  type Digest,
  Limits,
  type Reference,
  VarveError,
  isVarveError,
  parseJson,
  readDescriptor,
} from "../../core/index.ts";
import { collect } from "../../io/index.ts";
import { repositoryScope } from "../auth/scope.ts";
import type { Client, RequestOptions } from "../transport/client.ts";
import type { Endpoint } from "../transport/endpoint.ts";
import { fetchManifest } from "./manifest.ts";

/** Maximum number of referrers of one manifest. */
const MAX_REFERRERS = 10_000;

/**
 * Returns the manifests that refer to another one as their subject: distribution specification, "Listing referrers". Asks for the
 * tag that stands in for the list if the registry does not have the list. Only the first page is read.
 */
export async function listReferrers(
  client: Client,
  endpoint: Endpoint,
  reference: Reference,
  digest: Digest,
  asking: RequestOptions,
): Promise<readonly Descriptor[]> {
  const { repository, registry } = reference;
  const what = `the referrers of ${registry}/${repository}@${digest}`;
  const request = {
    method: "GET" as const,
    url: await client.urlOf(endpoint, `${repository}/referrers/${digest}`, "", asking),
    headers: { accept: "application/vnd.oci.image.index.v1+json" },
    scopes: [repositoryScope(repository, "pull")],
    accept: [200, 404],
    doing: `list ${what}`,
    ...asking,
  };
  const found = await client.request(endpoint, request, async (response) => {
    if (response.status === 200) return parseIndex(await collect(response.body, Limits.manifest, { what }), what);
    await response.discard();
    return undefined;
  });
  return found ?? (await taggedReferrers(client, endpoint, reference, digest, asking));
}

/** Returns the referrers that are listed by an index under the tag `sha256-<hex>`. */
async function taggedReferrers(
  client: Client,
  endpoint: Endpoint,
  { registry, repository }: Reference,
  digest: Digest,
  asking: RequestOptions,
): Promise<readonly Descriptor[]> {
  const reference = { registry, repository, tag: digest.replace(":", "-") };
  try {
    const { bytes } = await fetchManifest(client, [endpoint], { ...asking, reference });
    return parseIndex(bytes, `the referrers of ${registry}/${repository}@${digest}`);
  } catch (error) {
    if (isVarveError(error, "not-found")) return [];
    throw error;
  }
}

function parseIndex(bytes: Uint8Array, what: string): readonly Descriptor[] {
  const error = (): VarveError => new VarveError("remote", `Cannot list ${what}: the answer is not an index`);
  const answer = parseJson(bytes, what, { error }).requiredObject();
  return answer.objects("manifests", MAX_REFERRERS).map((entry) => readDescriptor(entry));
}
