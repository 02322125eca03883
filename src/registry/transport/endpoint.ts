import { DEFAULT_REGISTRY, VarveError } from "../../core/index.ts";
import type { RegistryConfig, RegistryHostConfig } from "./config.ts";
import { isLoopback } from "./proxy.ts";

/**
 * How the scheme of an endpoint is found: fixed, or one first and the other if the other side does not speak it. Plain HTTP first
 * is for this machine itself.
 */
export type SchemePolicy = "https" | "http" | "https-then-http" | "http-then-https";

/** One server that can answer for a registry. */
export interface Endpoint {
  /** The host whose credentials and certificates apply. */
  readonly name: string;
  /** Where connections go: host with an optional port. */
  readonly host: string;
  /** Path in front of `/v2`, without a slash at its end. */
  readonly prefix: string;
  readonly scheme: SchemePolicy;
  /** For a mirror, the registry it stands in for: sent as `ns`, as containerd does. */
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

function refuse(mirror: string, registry: string, why: string): never {
  throw new VarveError("invalid-argument", `Cannot use mirror ${JSON.stringify(mirror)} of ${registry}: ${why}`);
}

function mirrorEndpoint(config: RegistryConfig, registry: string, mirror: string): Endpoint {
  const hasScheme = /^https?:\/\//.test(mirror);
  const text = hasScheme ? mirror : `https://${mirror}`;
  if (!URL.canParse(text)) refuse(mirror, registry, "it is not a host or a URL");
  const url = new URL(text);
  if (url.username !== "" || url.password !== "") refuse(mirror, registry, "credentials do not belong in it");
  if (url.search !== "" || url.hash !== "") refuse(mirror, registry, "it has a query or a fragment");
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

/** Who is asked for content of a registry, in this order: its mirrors, then itself. */
export function pullEndpoints(config: RegistryConfig, registry: string): readonly Endpoint[] {
  const mirrors = hostConfigOf(config, registry)?.mirrors ?? [];
  return [...mirrors.map((mirror) => mirrorEndpoint(config, registry, mirror)), originEndpoint(config, registry)];
}
