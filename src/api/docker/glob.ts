import { matchGlob } from "../../pattern/index.ts";
import { apiError } from "./errors.ts";

/** Returns a predicate that matches like Go's `path.Match`. Throws 400 for a malformed pattern. */
export function pathGlob(pattern: string): (text: string) => boolean {
  try {
    matchGlob(pattern, "");
    return (text) => matchGlob(pattern, text);
  } catch (error) {
    throw apiError(400, `invalid pattern ${JSON.stringify(pattern.slice(0, 200))}`, error);
  }
}
