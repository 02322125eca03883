import { hostPlatform } from "../../../core/index.ts";
import type { Endpoint } from "../api.ts";
import { apiError } from "../errors.ts";
import { platformSpecifier } from "../platforms.ts";
import { text } from "../query.ts";
import { importImage } from "./import.ts";
import { pullImages } from "./pull.ts";

/** `POST /images/create`: pulls `fromImage`, or imports `fromSrc`. */
export const create: Endpoint = async (call, api) => {
  const platform = platformSpecifier(call);
  const from = text(call.query, "fromImage");
  if (from !== undefined) return await pullImages(call, from, platform, api);
  const source = text(call.query, "fromSrc");
  if (source !== undefined) return await importImage(call, source, platform ?? hostPlatform(), api);
  throw apiError(400, "Cannot create an image: expected fromImage or fromSrc");
};
