import { redact } from "../core/index.ts";

const MASK = "xxxxx";

/** The user and the password of a URL. In `oci-layout://name@digest` there is none. */
const USER_INFO = /^(?!(?:docker-image|oci-layout)(?:\+blob)?:)([a-z][a-z0-9+.-]*:\/\/)([^/?#]*)@/i;

/**
 * Replaces the user and the password in a URL by `xxxxx`, as BuildKit does, and values of its query that are credentials. The user of an
 * SSH URL stays: it is no secret, and without it the URL names no repository. Other text is returned unchanged.
 *
 * @example
 * redactCredentials("https://user:secret@example.com/a.git"); // "https://xxxxx:xxxxx@example.com/a.git"
 */
export function redactCredentials(url: string): string {
  const query = url.search(/[?#]/);
  if (query >= 0) return withoutUser(url.slice(0, query)) + redact(url.slice(query));
  return withoutUser(url);
}

function withoutUser(url: string): string {
  return url.replace(USER_INFO, (all, scheme: string, userInfo: string) => {
    if (userInfo === "") return all;
    const colon = userInfo.indexOf(":");
    const [user, password] = colon < 0 ? [userInfo, undefined] : [userInfo.slice(0, colon), userInfo.slice(colon + 1)];
    const isSsh = /^(?:git\+)?ssh(?:\+git)?:/i.test(scheme);
    const shownUser = user === "" || (isSsh && password === undefined) ? user : MASK;
    return `${scheme}${shownUser}${password === undefined ? "" : `:${MASK}`}@`;
  });
}
