import type { Store } from "../../engine/index.ts";
import type { FrontendImages } from "../../frontend/index.ts";
import type { BuildkitServer } from "../buildkit/index.ts";
import type { HttpRequest, HttpResponse } from "../http/index.ts";
import { type CredentialSource, Registry, type RegistryOptions } from "../../registry/index.ts";
import type { ClassicBuild } from "./build-request.ts";
import type { SessionBuilds } from "./session-builds.ts";
import type { EventBus } from "./event-bus.ts";

/** The state and settings that all endpoints share. */
export interface DockerApi {
  readonly store: Store;
  /** Options of registry clients. Credentials come with each request. */
  readonly registry: RegistryOptions;
  readonly events: EventBus;
  /** Version of this program, which `GET /version` returns. */
  readonly programVersion: string;
  /** Serves clients that build with BuildKit. Absent: there is only the classic builder. */
  readonly buildkit?: BuildkitServer | undefined;
  /** Whether builds of the classic builder are explained, and where they say so: see `BuildDeps`. Default: false. */
  readonly explains?: boolean | "everywhere" | undefined;
  /** Which front ends run as images in builds of the classic builder. */
  readonly frontendImages?: FrontendImages | undefined;
  /** Called after each build, also after one that failed. */
  readonly onBuildEnd?: (() => void) | undefined;
  /** Builds that came by `POST /build` and have an id. */
  readonly sessionBuilds: SessionBuilds;
  /** Replaces the store's classic builder. */
  readonly classicBuild?: ClassicBuild | undefined;
}

/** A request that matched a route. */
export interface Call {
  readonly request: HttpRequest;
  readonly query: URLSearchParams;
  /** API version that the client asked for. */
  readonly version: string;
  /** The part of the path that matches the route's `*`, decoded. */
  readonly name: string;
}

export type Endpoint = (call: Call, api: DockerApi) => Promise<HttpResponse> | HttpResponse;

/** Returns a registry client with the credentials of one request. The caller disposes of it. */
export function registryFor({ registry }: DockerApi, credentials: CredentialSource): Registry {
  return new Registry({ ...registry, credentials });
}
