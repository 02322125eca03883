import { matchGlob } from "../../pattern/index.ts";
import { apiError } from "./errors.ts";

/** Go's `path.Match` as a predicate. Throws 400 for a pattern that is malformed. */
export function pathGlob(pattern: string): (text: string) => boolean {
  try {
    matchGlob(pattern, "");
    return (text) => matchGlob(pattern, text);
  } catch (error) {
    throw apiError(400, `invalid pattern ${JSON.stringify(pattern.slice(0, 200))}`, error);
  }
}
