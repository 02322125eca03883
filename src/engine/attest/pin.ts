import { type Platform, VarveError } from "../../core/index.ts";
import type { SourceOp } from "../../llb/index.ts";
import type { Hold } from "../../record/index.ts";
import { type MetaDeps, resolveSourceMeta } from "../ops/source-meta.ts";

const NAMED_DIGEST = /^(?:docker-image|oci-layout)(?:\+blob)?:\/\/.*@([a-z0-9]+:[0-9a-f]+)$/s;

/**
 * Returns what a source is in a build: the digest that its name has, or that of the image or the file; or the commit of a repository.
 *
 * @throws {VarveError} The errors of the source's kind.
 */
export async function pinOf(
  source: SourceOp,
  platform: Platform | undefined,
  deps: MetaDeps,
  hold: Hold,
): Promise<string> {
  const named = NAMED_DIGEST.exec(source.identifier)?.[1] ?? source.attrs.get("http.checksum");
  if (named !== undefined) return named;
  const { image, git, http } = await resolveSourceMeta({ source, platform, image: { noConfig: true } }, deps, hold);
  const pin = image?.digest ?? git?.checksum ?? http?.checksum;
  if (pin === undefined) throw new VarveError("unsupported", `Cannot pin source ${source.identifier}: unknown scheme`);
  return pin;
}
