import { DEFAULT_REGISTRY, VarveError } from "../../core/index.ts";
import { type RetryPolicy, type Tries, isLoopback } from "../../http/index.ts";
import type { RegistryConfig, RegistryHostConfig } from "./config.ts";

/**
 * The scheme of an endpoint: fixed, or the first one to try before the other. Plain HTTP comes first for loopback hosts only.
 */
export type SchemePolicy = "https" | "http" | "https-then-http" | "http-then-https";

/** One server of a registry: the registry itself or a mirror. */
export interface Endpoint {
  /** The host whose credentials and certificates apply. */
  readonly name: string;
  /** The host to connect to, with an optional port. */
  readonly host: string;
  /** Path in front of `/v2`, without a slash at its end. */
  readonly prefix: string;
  readonly scheme: SchemePolicy;
  /** For a mirror, the registry that it mirrors: sent as `ns`, as by containerd. */
  readonly mirrorOf?: string | undefined;
}

const HUB_HOST = "registry-1.docker.io";

/** The configuration of a host, if there is one; safe for any name. */
export function hostConfigOf(config: RegistryConfig, host: string): RegistryHostConfig | undefined {
  return Object.hasOwn(config.registries, host) ? config.registries[host] : undefined;
}

function schemeOf(host: string, config: RegistryHostConfig | undefined): SchemePolicy {
  if (config?.http === true) return "http";
  if (config?.insecure === true) return "https-then-http";
  const { hostname } = new URL(`http://${host}`);
  if (!isLoopback(hostname)) return "https";
  return config?.ca === undefined && config?.cert === undefined ? "http-then-https" : "https-then-http";
}

/** The registry's own server: pushes go only there. */
export function originEndpoint(config: RegistryConfig, registry: string): Endpoint {
  return {
    name: registry,
    host: registry === DEFAULT_REGISTRY ? HUB_HOST : registry,
    prefix: "",
    scheme: schemeOf(registry, hostConfigOf(config, registry)),
  };
}

function invalidMirror(mirror: string, registry: string, why: string): never {
  throw new VarveError("invalid-argument", `Cannot use mirror ${JSON.stringify(mirror)} of ${registry}: ${why}`);
}

function mirrorEndpoint(config: RegistryConfig, registry: string, mirror: string): Endpoint {
  const hasScheme = /^https?:\/\//.test(mirror);
  const text = hasScheme ? mirror : `https://${mirror}`;
  if (!URL.canParse(text)) invalidMirror(mirror, registry, "it is not a host or a URL");
  const url = new URL(text);
  if (url.username !== "" || url.password !== "") invalidMirror(mirror, registry, "credentials do not belong in it");
  if (url.search !== "" || url.hash !== "") invalidMirror(mirror, registry, "it has a query or a fragment");
  const own = schemeOf(url.host, hostConfigOf(config, url.host));
  const given = url.protocol === "http:" ? "http" : "https";
  const scheme = hasScheme && (given === "http" || own === "https") ? given : own;
  return {
    name: url.host,
    host: url.host,
    prefix: url.pathname.replace(/(?<!\/)\/+$/, "").replace(/\/v2$/, ""),
    scheme,
    mirrorOf: registry,
  };
}

/** Returns the endpoints to pull from, in order: the mirrors, then the registry. */
export function pullEndpoints(config: RegistryConfig, registry: string): readonly Endpoint[] {
  const mirrors = hostConfigOf(config, registry)?.mirrors ?? [];
  return [...mirrors.map((mirror) => mirrorEndpoint(config, registry, mirror)), originEndpoint(config, registry)];
}

/** For mirrors: fewer attempts, because another mirror or the registry itself can be asked. */
const MIRROR: Tries = { attempts: 2, timeouts: 1 };

/** Returns how often a request is sent to an endpoint. */
export function triesOf(policy: RetryPolicy, { mirrorOf }: Pick<Endpoint, "mirrorOf">): Tries {
  return mirrorOf === undefined ? policy : MIRROR;
}
