import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { errnoOf, VarveError } from "../../core/index.ts";
import type { DnsConfig, NetworkHost, NetworkMode, RunSpec } from "../types.ts";

/** BuildKit's default host name for a step. */
export const DEFAULT_HOSTNAME = "buildkitsandbox";
const HOST_NAME = /^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?$/;
const RESOLVERS = "/etc/resolv.conf";
/** Used when the machine's file names no server that a step can reach; the same as Docker's and BuildKit's. */
const PUBLIC_SERVERS = ["8.8.8.8", "8.8.4.4", "2001:4860:4860::8888", "2001:4860:4860::8844"];

/** Returns the files that a step finds in the place of those of its root filesystem. `isolated` is as of `StepContext`. */
export function generatedFiles(
  hostname: string,
  { extraHosts = [], network = "default", dns, hostnameFile }: RunSpec,
  isolated: boolean,
): (readonly [target: string, content: string])[] {
  return [
    ["/etc/resolv.conf", resolversFile(isolated ? "isolated" : network, dns)],
    ["/etc/hosts", hostsFile(hostname, extraHosts)],
    ...(hostnameFile === true ? [["/etc/hostname", `${hostname}\n`] as const] : []),
  ];
}

/**
 * Returns the content of `/etc/hosts` for a step.
 * @throws {VarveError} `invalid-argument` for a malformed address or host name.
 */
export function hostsFile(hostname: string, extraHosts: readonly NetworkHost[]): string {
  const own = [`127.0.0.1\tlocalhost ${hostname}`, "::1\tlocalhost ip6-localhost ip6-loopback"];
  return [...own, ...extraHosts.map(hostLine), ""].join("\n");
}

function hostLine({ host, ip }: NetworkHost): string {
  const address = ip.replace(/^\[(.*)\]$/, "$1");
  if (isIP(address) === 0)
    throw new VarveError(
      "invalid-argument",
      `Cannot add host ${JSON.stringify(host)}: ${JSON.stringify(ip)} is not an IP address`,
    );
  if (!HOST_NAME.test(host))
    throw new VarveError("invalid-argument", `Cannot add host ${JSON.stringify(host)}: not a host name`);
  return `${address}\t${host}`;
}

/**
 * Returns `hostname` if the kernel accepts it.
 * @throws {VarveError} `invalid-argument` otherwise.
 */
export function checkHostname(hostname: string): string {
  if (hostname.length <= 64 && HOST_NAME.test(hostname)) return hostname;
  throw new VarveError(
    "invalid-argument",
    `Cannot name the step's machine ${JSON.stringify(hostname.slice(0, 100))}: not a host name`,
  );
}

interface Resolvers {
  readonly servers: readonly string[];
  readonly search: readonly string[];
  readonly options: readonly string[];
  readonly other: readonly string[];
}

function parseResolvers(text: string): Resolvers {
  const servers: string[] = [];
  const options: string[] = [];
  const other: string[] = [];
  let search: readonly string[] = [];
  for (const line of text.split("\n")) {
    const [word = "", ...rest] = line.trim().split(/\s+/);
    if (word === "" || word.startsWith("#") || word.startsWith(";")) continue;
    if (word === "nameserver") servers.push(...rest.slice(0, 1).filter(isAddress));
    else if (word === "domain" || word === "search") search = rest.length > 0 ? rest : search;
    else if (word === "options") options.push(...rest);
    else other.push(line.trim());
  }
  return { servers, search, options, other };
}

/** True for an IP address, with or without a zone as in `fe80::1%eth0`. */
function isAddress(text: string): boolean {
  return isIP(text.replace(/%[A-Za-z0-9_.-]+$/, "")) !== 0;
}

function isLoopback(address: string): boolean {
  return address.startsWith("127.") || address === "::1" || address.startsWith("::ffff:127.");
}

/**
 * Returns the content of `/etc/resolv.conf` for a step, derived from the machine's. A name server on the loopback interface
 * is kept if the step shares the machine's network, and dropped otherwise. Without any server, public ones are used.
 * @throws {VarveError} `invalid-argument` for a malformed address, search domain or option.
 */
export function resolversFile(
  network: NetworkMode | "isolated",
  dns: DnsConfig = {},
  text: string = readResolvers(),
): string {
  const machine = parseResolvers(text);
  for (const server of dns.servers ?? []) {
    if (!isAddress(server))
      throw new VarveError("invalid-argument", `Cannot use name server ${JSON.stringify(server)}: not an IP address`);
  }
  const given = dns.servers !== undefined && dns.servers.length > 0 ? dns.servers : undefined;
  const reachable =
    network === "none" || network === "isolated"
      ? machine.servers.filter((server) => !isLoopback(server))
      : machine.servers;
  const servers = given ?? (reachable.length > 0 ? reachable : PUBLIC_SERVERS);
  const search = words("search domain", dns.search) ?? machine.search;
  const options = words("resolver option", dns.options) ?? machine.options;
  return [
    ...servers.map((server) => `nameserver ${server}`),
    ...(search.length > 0 ? [`search ${search.join(" ")}`] : []),
    ...(options.length > 0 ? [`options ${options.join(" ")}`] : []),
    ...machine.other,
    "",
  ].join("\n");
}

function words(what: string, given: readonly string[] | undefined): readonly string[] | undefined {
  const bad = given?.find((word) => !/^[^\s\p{Cc}]+$/u.test(word));
  if (bad !== undefined)
    throw new VarveError("invalid-argument", `Cannot use ${what} ${JSON.stringify(bad)}: not one word`);
  return given !== undefined && given.length > 0 ? given : undefined;
}

function readResolvers(): string {
  try {
    return readFileSync(RESOLVERS, "utf8");
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return "";
    throw error;
  }
}
