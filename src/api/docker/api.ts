import type { Store } from "../../engine/index.ts";
import type { HttpRequest, HttpResponse } from "../http/index.ts";
import { type CredentialSource, Registry, type RegistryOptions } from "../../registry/index.ts";
import type { ClassicBuild } from "./build-request.ts";
import type { EventBus } from "./event-bus.ts";

/** What the endpoints work on. */
export interface DockerApi {
  readonly store: Store;
  /** How registries are reached; credentials come with each request. */
  readonly registry: RegistryOptions;
  readonly events: EventBus;
  /** Of this program, as `GET /version` tells it. */
  readonly programVersion: string;
  /** Builds in another way than with the store's own classic builder. */
  readonly classicBuild?: ClassicBuild | undefined;
}

/** One request to one route. */
export interface Call {
  readonly request: HttpRequest;
  readonly query: URLSearchParams;
  /** Of the API, as the client asked for it. */
  readonly version: string;
  /** The part of the path that names something, decoded. */
  readonly name: string;
}

export type Endpoint = (call: Call, api: DockerApi) => Promise<HttpResponse> | HttpResponse;

/** A client of registries that shows one request's credentials. Dispose of it. */
export function registryFor({ registry }: DockerApi, credentials: CredentialSource): Registry {
  return new Registry({ ...registry, credentials });
}
