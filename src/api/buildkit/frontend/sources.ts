import { parseReference } from "../../../core/index.ts";
import { attributeError } from "../dockerfile/attributes.ts";
import type { FrontendHost } from "./request.ts";

/**
 * Throws unless the images of a repository may be front ends.
 *
 * @throws {VarveError} `invalid-argument`
 */
export function checkSource(source: string, { repositories }: Pick<FrontendHost, "repositories">): void {
  if (repositories.length === 0) return;
  const { registry, repository } = parseReference(source);
  if (!repositories.includes(`${registry}/${repository}`))
    throw attributeError(`'${source}' is not an allowed gateway source`);
}
