import { redact } from "../../core/index.ts";
import { readTags } from "./tags.ts";
import type { BuildRequest } from "./types.ts";

/**
 * Returns what says which project a request builds: where its context is, the Dockerfile, and what the image is called. The archive of a
 * context does not say where it comes from.
 */
export function projectOf({
  remote = "",
  dockerfile,
  tags,
}: Pick<BuildRequest, "remote" | "dockerfile" | "tags">): string {
  const [name] = readTags(tags);
  return redact(JSON.stringify([remote, dockerfile, name === undefined ? "" : `${name.registry}/${name.repository}`]));
}
