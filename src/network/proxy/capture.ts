import type { Digest } from "../../core/index.ts";

/** Maximum number of requests of one step that are recorded. A step with more of them has materials that are not known. */
const MAX_REQUESTS = 10_000;

/** A request that a step has made. Its URL has no credentials. */
export interface ProxiedRequest {
  readonly method: string;
  readonly url: string;
  readonly status: number;
  /** Where the answer sends the client. */
  readonly redirect?: string | undefined;
}

/** A file that a step has downloaded. */
export interface ProxiedMaterial {
  readonly url: string;
  readonly digest: Digest;
}

/** A request whose answer is not a material, and why: BuildKit's words. */
export interface IncompleteRequest {
  readonly method: string;
  readonly url: string;
  readonly reason:
    | "method_not_materializable"
    | "partial_response"
    | "body_read_failed"
    | "unsuccessful_response"
    | "upstream_error"
    | "too_many_requests";
}

/** What one step has requested of a proxy. */
export class ProxyCapture {
  readonly #requests: ProxiedRequest[] = [];
  readonly #materials = new Map<string, Digest>();
  readonly #incomplete: IncompleteRequest[] = [];

  get requests(): readonly ProxiedRequest[] {
    return this.#requests;
  }

  get incomplete(): readonly IncompleteRequest[] {
    return this.#incomplete;
  }

  /** The downloads, each also by the URLs that redirected to it. */
  get materials(): readonly ProxiedMaterial[] {
    const found = new Map(this.#materials);
    for (let isNew = true; isNew;) {
      isNew = false;
      for (const { url, redirect = "" } of this.#requests) {
        const digest = found.get(redirect);
        if (digest === undefined || found.has(url)) continue;
        found.set(url, digest);
        isNew = true;
      }
    }
    return Array.from(found, ([url, digest]) => ({ url, digest }));
  }

  addRequest(request: ProxiedRequest): void {
    if (this.#requests.length < MAX_REQUESTS) this.#requests.push(request);
    else if (this.#requests.length === MAX_REQUESTS) this.#addIncomplete({ ...request, reason: "too_many_requests" });
  }

  addMaterial({ url, digest }: ProxiedMaterial): void {
    if (this.#materials.size < MAX_REQUESTS) this.#materials.set(url, digest);
  }

  addIncomplete(request: IncompleteRequest): void {
    if (this.#incomplete.length < MAX_REQUESTS) this.#addIncomplete(request);
  }

  #addIncomplete({ method, url, reason }: IncompleteRequest): void {
    this.#incomplete.push({ method, url, reason });
  }
}
