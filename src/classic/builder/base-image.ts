import { findImage, holdImage } from "../../images/index.ts";
import { type LocalImage, configPlatform, matchesPlatform } from "../../image/index.ts";
import {
  type Platform,
  VarveError,
  familiarReference,
  formatPlatform,
  formatReference,
  isDigest,
  isVarveError,
  parseReference,
  withDefaultTag,
} from "../../core/index.ts";
import { failure, stepError } from "./failure.ts";
import type { BuildContextDeps } from "./session.ts";

/** The image of a name or an id for FROM and COPY --from, fetched if it is not here or `pull` says so; kept by the lease. */
export async function baseImage(
  name: string,
  platform: Platform | undefined,
  session: BuildContextDeps,
): Promise<LocalImage> {
  const { deps, request, hold, output, host } = session;
  const here = request.pull && !isId(name) ? undefined : await local(name, platform, session);
  if (here !== undefined) return here;
  if (isId(name)) throw failure(404, `No such image: ${name}`);
  const reference = withDefaultTag(parse(name));
  const wanted = platform ?? host;
  await deps.pull(reference, wanted, output.send, hold.signal);
  const pulled = await local(formatReference(reference), platform, session);
  if (pulled !== undefined) return pulled;
  throw stepError(
    `image with reference ${familiarReference(reference)} was found but does not provide the specified platform (${formatPlatform(wanted)})`,
  );
}

async function local(
  name: string,
  platform: Platform | undefined,
  { deps, hold, host }: BuildContextDeps,
): Promise<LocalImage | undefined> {
  try {
    const image = (await findImage(deps.store, name, platform ?? host))?.image;
    if (image === undefined || !holdImage(image, deps.store, hold)) return undefined;
    return platform === undefined || matchesPlatform(platform, image.config) ? image : undefined;
  } catch (error) {
    if (isVarveError(error, "invalid-argument", "not-found")) return undefined;
    throw error;
  }
}

function isId(name: string): boolean {
  return isDigest(name) || /^[0-9a-f]{64}$/.test(name);
}

function parse(name: string): ReturnType<typeof parseReference> {
  try {
    return parseReference(name);
  } catch (error) {
    throw error instanceof VarveError ? stepError("invalid reference format", error) : error;
  }
}

/** What a stage is built for: what was asked for, else what its base is for, else this machine. */
export function stagePlatform(asked: Platform | undefined, base: LocalImage | undefined, host: Platform): Platform {
  return asked ?? (base === undefined ? undefined : configPlatform(base.config)) ?? host;
}
