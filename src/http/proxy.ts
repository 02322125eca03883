import { BlockList, isIP } from "node:net";
import { VarveError } from "../core/index.ts";

/**
 * The proxy a URL is reached through, or undefined for none: loopback, and what `NO_PROXY` names. The rules are those of
 * Go's `httpproxy`. Throws `invalid-argument` if the variable for the URL's scheme does not name an HTTP proxy.
 */
export type ProxyFor = (url: URL) => string | undefined;

type Env = Readonly<Record<string, string | undefined>>;

const valueOf = (env: Env, name: string): string | undefined => {
  const value = env[name] ?? env[name.toLowerCase()];
  return value === undefined || value.trim() === "" ? undefined : value.trim();
};

/** A host without the brackets of an IPv6 literal. */
function bareHost(hostname: string): string {
  return hostname.startsWith("[") && hostname.endsWith("]") ? hostname.slice(1, -1) : hostname;
}

/** True for localhost and its subdomains, 127.0.0.0/8 and ::1. */
export function isLoopback(hostname: string): boolean {
  const host = bareHost(hostname).toLowerCase();
  if (host === "localhost" || host.endsWith(".localhost")) return true;
  if (isIP(host) === 4) return host.startsWith("127.");
  return host === "::1" || host === "0:0:0:0:0:0:0:1";
}

type Rule = (host: string, port: string) => boolean;

const SPLIT = /^(\[[0-9a-fA-F:.]+\]|[^:]*)(?::(\d+))?$/;

function subnetRule(entry: string): Rule | undefined {
  const [address = "", bits = ""] = entry.split("/");
  const family = isIP(address);
  if (family === 0 || !/^\d{1,3}$/.test(bits) || Number(bits) > (family === 4 ? 32 : 128)) return undefined;
  const list = new BlockList();
  list.addSubnet(address, Number(bits), family === 4 ? "ipv4" : "ipv6");
  return (host) => isIP(host) !== 0 && list.check(host, isIP(host) === 4 ? "ipv4" : "ipv6");
}

function nameRule(entry: string): Rule | undefined {
  const match = isIP(entry) === 6 ? [entry, entry, undefined] : SPLIT.exec(entry);
  if (match === null) return undefined;
  const name = bareHost(match[1] ?? "").toLowerCase();
  const wantedPort = match[2];
  const suffix = name.startsWith("*.") ? name.slice(1) : name;
  if (suffix === "") return undefined;
  return (host, port) => {
    if (wantedPort !== undefined && wantedPort !== port) return false;
    if (suffix.startsWith(".")) return host.endsWith(suffix);
    return host === suffix || (isIP(suffix) === 0 && host.endsWith(`.${suffix}`));
  };
}

function rulesOf(noProxy: string): readonly Rule[] {
  return noProxy
    .split(/[\s,]+/)
    .filter((entry) => entry !== "")
    .map((entry) => (entry === "*" ? () => true : entry.includes("/") ? subnetRule(entry) : nameRule(entry)))
    .filter((rule) => rule !== undefined);
}

/** Returns the proxy's URL; a value without a scheme means HTTP. Messages never quote the value, which may have a password. */
function proxyUrl(env: Env, name: "HTTP_PROXY" | "HTTPS_PROXY"): string | undefined {
  const value = valueOf(env, name);
  if (value === undefined) return undefined;
  const text = /^[a-z][a-z0-9+.-]*:\/\//i.test(value) ? value : `http://${value}`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === "http:" || url?.protocol === "https:") return url.href;
  throw new VarveError("invalid-argument", `Cannot use the proxy of ${name}: it is not the URL of an HTTP proxy`);
}

/** Reads `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`, in upper or lower case. */
export function proxyFromEnvironment(env: Env): ProxyFor {
  const rules = rulesOf(valueOf(env, "NO_PROXY") ?? "");
  return (url) => {
    const secure = url.protocol === "https:";
    if (valueOf(env, secure ? "HTTPS_PROXY" : "HTTP_PROXY") === undefined || isLoopback(url.hostname)) return undefined;
    const port = url.port === "" ? (secure ? "443" : "80") : url.port;
    const host = bareHost(url.hostname).toLowerCase();
    if (rules.some((rule) => rule(host, port))) return undefined;
    return proxyUrl(env, secure ? "HTTPS_PROXY" : "HTTP_PROXY");
  };
}
