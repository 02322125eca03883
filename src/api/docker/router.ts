import type { HttpRequest } from "../http/index.ts";
import type { Endpoint } from "./api.ts";
import { apiError } from "./errors.ts";
import type { Route } from "./routes.ts";
import { NEWEST } from "./version.ts";

export interface Matched {
  readonly endpoint: Endpoint;
  /** The part of the path that matches `*`, decoded. */
  readonly name: string;
  readonly version: string;
}

interface Compiled {
  readonly methods: ReadonlySet<string>;
  readonly pattern: RegExp;
  readonly endpoint: Endpoint;
}

const MAX_PATH = 16_384;

/** Finds the endpoint of a request. Paths may begin with a version, such as `/v1.51`. */
export class Router {
  readonly #routes: readonly Compiled[];

  constructor(routes: readonly Route[]) {
    this.#routes = routes.map(([methods, path, endpoint]) => ({
      methods: new Set(methods.split(" ")),
      pattern: new RegExp(`^${path.replace(/[.]/g, "\\$&").replace("*", "(?<name>.+)")}$`, "s"),
      endpoint,
    }));
  }

  /** Returns the first route that matches; undefined if none does. Throws 400 for a malformed path. */
  find({ method, path }: Pick<HttpRequest, "method" | "path">): Matched | undefined {
    if (path.length > MAX_PATH) throw apiError(400, "the path of the request is too long");
    const [, version = NEWEST, rest = ""] = /^(?:\/v([0-9][0-9.]{0,31}))?(\/.*)$/s.exec(decoded(path)) ?? [];
    for (const { methods, pattern, endpoint } of this.#routes) {
      const match = methods.has(method) ? pattern.exec(rest) : null;
      if (match !== null) return { endpoint, name: match.groups?.["name"] ?? "", version };
    }
    return undefined;
  }
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch (error) {
    throw apiError(400, "the path of the request is malformed", error);
  }
}
