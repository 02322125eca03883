import type { DockerApi } from "./api.ts";
import type { Takeovers } from "../http/index.ts";

/** The protocol of both endpoints: HTTP/2 without TLS. */
const PROTOCOL = "h2c";

/**
 * Returns what takes over the connections of `POST /grpc`, on which BuildKit's API is served, and of `POST /session`, on which the
 * client is the server. A session whose id is in use is not opened. Clients that speak HTTP/2 at once get BuildKit's API too. Undefined
 * if there is no BuildKit.
 */
export function buildkitTakeovers({ buildkit }: Pick<DockerApi, "buildkit">): Takeovers | undefined {
  if (buildkit === undefined) return undefined;
  return {
    http2: (connection) => buildkit.serve(connection),
    upgrade: ({ method, path, protocol, rawHeaders }) => {
      if (method !== "POST" || protocol !== PROTOCOL) return undefined;
      switch (path.replace(/^\/v[0-9][0-9.]{0,31}(?=\/)/, "")) {
        case "/grpc":
          return (connection) => buildkit.serve(connection);
        case "/session":
          return buildkit.sessionOpener(rawHeaders);
        default:
          return undefined;
      }
    },
  };
}
