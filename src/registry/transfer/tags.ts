import { Limits, type Reference, VarveError, parseJson } from "../../core/index.ts";
import { collect } from "../../io/index.ts";
import type { Client, RequestOptions } from "../transport/client.ts";
import type { Endpoint } from "../transport/endpoint.ts";
import type { TransportResponse } from "../../http/index.ts";
import { repositoryScope } from "../auth/scope.ts";

const PAGE = 1000;
const MAX_PAGES = 1000;
const MAX_TAGS = 1_000_000;
const NEXT = /^<([^<>\s]+)>\s*;(?:[^,]*;)?\s*rel="?next"?\s*(?:;.*)?$/i;

/** Returns the target of a `Link` with relation `next` (RFC 8288), if it is on the same server. */
function nextPage(response: TransportResponse, from: URL): URL | undefined {
  for (const value of response.headers.get("link") ?? []) {
    const text = NEXT.exec(value.trim())?.[1];
    if (text === undefined || !URL.canParse(text, from)) continue;
    const url = new URL(text, from);
    if (url.host === from.host) return new URL(url.pathname + url.search, from);
  }
  return undefined;
}

/** Every tag of a repository, in the registry's order. */
export async function listTags(
  client: Client,
  endpoint: Endpoint,
  reference: Reference,
  asking: RequestOptions,
): Promise<readonly string[]> {
  const { registry, repository } = reference;
  const what = `the tags of ${registry}/${repository}`;
  const tags: string[] = [];
  const seen = new Set<string>();
  let url: URL | undefined = await client.urlOf(endpoint, `${repository}/tags/list`, `n=${PAGE}`, asking);
  while (url !== undefined) {
    if (seen.has(url.href) || seen.size >= MAX_PAGES || tags.length > MAX_TAGS) {
      throw new VarveError("limit-exceeded", `Cannot list ${what}: the pages do not end`);
    }
    seen.add(url.href);
    const page: Page = await readPage(client, endpoint, { url, repository, what, asking });
    for (const tag of page.tags) tags.push(tag);
    url = page.next;
  }
  return tags;
}

interface Page {
  readonly tags: readonly string[];
  readonly next: URL | undefined;
}

interface PageRequest {
  readonly url: URL;
  readonly repository: string;
  readonly what: string;
  readonly asking: RequestOptions;
}

async function readPage(client: Client, endpoint: Endpoint, page: PageRequest): Promise<Page> {
  const { url, repository, what, asking } = page;
  const request = {
    method: "GET" as const,
    url,
    headers: { accept: "application/json" },
    scopes: [repositoryScope(repository, "pull")],
    accept: [200],
    doing: `list ${what}`,
    ...asking,
  };
  return await client.request(endpoint, request, async (response) => {
    const error = (): VarveError => new VarveError("remote", `Cannot list ${what}: the answer is not a list of tags`);
    const answer = parseJson(await collect(response.body, Limits.manifest, { what }), what, { error });
    return { tags: answer.requiredObject().strings("tags") ?? [], next: nextPage(response, url) };
  });
}
