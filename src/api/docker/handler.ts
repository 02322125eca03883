import type { Handler, HttpRequest, HttpResponse } from "../http/index.ts";
import type { DockerApi } from "./api.ts";
import { errorResponse } from "./errors.ts";
import { empty, json, text } from "./respond.ts";
import { Router } from "./router.ts";
import { ROUTES } from "./routes.ts";
import { SessionBuilds } from "./session-builds.ts";
import { NEWEST, OLDEST, compareVersions, refusedVersion } from "./version.ts";

/** Returns a request handler that serves the Engine API. It turns every error into a response. */
export function dockerHandler(settings: Omit<DockerApi, "sessionBuilds">): Handler {
  const api: DockerApi = { ...settings, sessionBuilds: new SessionBuilds() };
  const router = new Router(ROUTES);
  const common = {
    "Api-Version": NEWEST,
    // Clients send `--squash` only to a server with this header.
    "Docker-Experimental": "true",
    Ostype: "linux",
    Server: `Docker/${api.programVersion} (linux)`,
  };
  return async (request) => {
    const response = await answer(router, request, api);
    return { ...response, headers: { ...common, ...response.headers } };
  };
}

async function answer(router: Router, request: HttpRequest, api: DockerApi): Promise<HttpResponse> {
  try {
    if (request.method === "OPTIONS") return empty(200);
    const found = router.find(request);
    if (found === undefined) return json(404, { message: "page not found" });
    const { endpoint, name, version } = found;
    const refused = refusedVersion(version);
    if (refused !== undefined)
      return compareVersions(version, OLDEST) < 0 ? text(400, `${refused}\n`) : json(400, { message: refused });
    return await endpoint({ request, query: request.query, version, name }, api);
  } catch (error) {
    return errorResponse(error);
  }
}
