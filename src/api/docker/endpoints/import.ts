import { importRootfs } from "../../../images/index.ts";
import type { HttpResponse } from "../../http/index.ts";
import { Limits, type Platform, familiarReference, formatReference } from "../../../core/index.ts";
import { type Bytes, limited } from "../../../io/index.ts";
import { getUrl } from "../../../classic/index.ts";
import type { Call, DockerApi } from "../api.ts";
import { applyChanges } from "../changes.ts";
import { apiError } from "../errors.ts";
import { type Emit, progressStream } from "../progress-stream.ts";
import { targetReference } from "../parameters.ts";
import { text } from "../query.ts";

/** Creates an image whose only layer is an archive: the request's body, or the response of a URL. */
export async function importImage(
  { query, request }: Call,
  source: string,
  platform: Platform,
  api: DockerApi,
): Promise<HttpResponse> {
  const url = source === "-" ? undefined : urlOf(source);
  const repository = text(query, "repo");
  const reference = repository === undefined ? undefined : targetReference(repository, text(query, "tag"));
  applyChanges({}, query.getAll("changes"));
  const comment = text(query, "message") ?? `Imported from ${url ?? source}`;
  return await progressStream(request.signal, async (emit, signal) => {
    const body = url === undefined ? request.body : await downloaded(url, emit, signal);
    const name = reference && formatReference(reference);
    const options = { platform, config: applyChanges({}, query.getAll("changes")), comment, name, signal };
    const { id, config } = await importRootfs(api.store, body, options);
    if (reference !== undefined) api.events.image("tag", id, familiarReference(reference), config);
    api.events.image("import", id, id, config);
    emit({ status: id });
  });
}

/** Returns the URL of an import. A URL without a scheme is `http`. */
function urlOf(source: string): string {
  const url = source.includes("://") ? source : `http://${source}`;
  if (!/^https?:/i.test(url) || !URL.canParse(url))
    throw apiError(400, `Cannot import ${source}: expected an http or https URL`);
  return url;
}

async function downloaded(url: string, emit: Emit, signal: AbortSignal): Promise<Bytes> {
  const { body } = await getUrl(url, signal);
  emit({ status: `Downloading from ${url}` });
  return limited(body, Limits.layerUnpacked, { what: url });
}
