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
import type { BuildSession } from "./session.ts";

/** Returns the image of FROM or COPY --from. Pulls it if it is missing or `pull` is set. The lease keeps it. */
export async function baseImage(
  name: string,
  platform: Platform | undefined,
  session: BuildSession,
): Promise<LocalImage> {
  const { deps, request, hold, output, host } = session;
  const stored = request.pull && !isId(name) ? undefined : await storedImage(name, platform, session);
  if (stored !== undefined) return stored;
  if (isId(name)) throw failure(404, `No such image: ${name}`);
  const reference = withDefaultTag(parse(name));
  const wanted = platform ?? host;
  await deps.pull(reference, wanted, output.send, hold.signal);
  const pulled = await storedImage(formatReference(reference), platform, session);
  if (pulled !== undefined) return pulled;
  throw stepError(
    `image with reference ${familiarReference(reference)} was found but does not provide the specified platform (${formatPlatform(wanted)})`,
  );
}

async function storedImage(
  name: string,
  platform: Platform | undefined,
  { deps, hold, host }: BuildSession,
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

/** Returns a stage's platform: the requested one, else that of its base, else this machine's. */
export function stagePlatform(requested: Platform | undefined, base: LocalImage | undefined, host: Platform): Platform {
  return requested ?? (base === undefined ? undefined : configPlatform(base.config)) ?? host;
}
