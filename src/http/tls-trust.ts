import { readFile, readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { SecureContext } from "node:tls";
import { VarveError, errnoOf } from "../core/index.ts";
import { isLoopback } from "./proxy.ts";

/** TLS options of one host, as `node:https` takes them. */
export interface TlsOptions {
  readonly rejectUnauthorized: boolean;
  readonly secureContext?: SecureContext | undefined;
}

/** How to trust one host. Paths are of PEM files. */
export interface HostTrust {
  /** Accept any certificate. */
  readonly insecure?: boolean | undefined;
  /** Certificate authorities trusted for this host besides the usual ones. */
  readonly ca?: string | undefined;
  /** Client certificate and its key: both or neither. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

interface Pem {
  readonly authorities: readonly string[];
  readonly client?: { readonly cert: string; readonly key: string } | undefined;
}

const NOTHING: Pem = { authorities: [] };
const HOST = /^[A-Za-z0-9.\-_[\]:]+$/;

/** Where Docker and containerd look for the certificates of a host. */
const DOCKER_CERTS_DIRECTORY = "/etc/docker/certs.d";

const CERTIFICATE = /^-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----$/m;
const KEY = /^-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----$/m;

/** OpenSSL ignores a file without a certificate, so that the contents are checked here. */
async function readPem(path: string, what: string, holds: RegExp = CERTIFICATE): Promise<string> {
  try {
    const text = await readFile(path, "latin1");
    if (holds.test(text.replaceAll("\r", ""))) return text;
  } catch (error) {
    throw new VarveError("invalid-argument", `Cannot read ${what} ${path}: ${errnoOf(error) ?? "not readable"}`, {
      cause: error,
    });
  }
  throw new VarveError("invalid-argument", `Cannot read ${what} ${path}: it is not PEM`);
}

async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return (await readdir(directory)).toSorted();
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR" || errnoOf(error) === "EACCES") return [];
    throw error;
  }
}

/** `<host>/*.crt` are authorities, `<name>.cert` with `<name>.key` a client certificate. */
async function readDirectory(directory: string): Promise<Pem> {
  const names = await namesIn(directory);
  const read = (name: string, holds?: RegExp): Promise<string> => readPem(join(directory, name), "certificate", holds);
  const authorities = await Promise.all(names.filter((name) => name.endsWith(".crt")).map((name) => read(name)));
  const cert = names.find((name) => name.endsWith(".cert"));
  if (cert === undefined) return { authorities };
  const key = cert.replace(/\.cert$/, ".key");
  return { authorities, client: { cert: await read(cert), key: await read(key, KEY) } };
}

async function readConfigured(config: HostTrust): Promise<Pem> {
  const authorities = config.ca === undefined ? [] : [await readPem(config.ca, "certificate authority")];
  if (config.cert === undefined || config.key === undefined) return { authorities };
  const cert = await readPem(config.cert, "client certificate");
  return { authorities, client: { cert, key: await readPem(config.key, "client key", KEY) } };
}

/**
 * Trusted certificates by host. The authorities are Node's and those configured for the host. The system's store is read only after a
 * certificate was refused, because reading it takes 0.1 s.
 */
export class TlsTrust {
  readonly #configOf: (host: string) => HostTrust | undefined;
  readonly #directory: string;
  readonly #options = new Map<string, Promise<TlsOptions>>();
  #system = false;

  constructor(configOf: (host: string) => HostTrust | undefined, directory: string = DOCKER_CERTS_DIRECTORY) {
    this.#configOf = configOf;
    this.#directory = resolve(directory);
  }

  /**
   * Reads certificates once per host. A loopback host without a configured authority may have any certificate, as in Docker.
   *
   * @throws {VarveError} `invalid-argument` if a certificate cannot be read or is not PEM.
   */
  optionsOf(host: string): Promise<TlsOptions> {
    const known = this.#options.get(host);
    if (known !== undefined) return known;
    const options = this.#build(host);
    this.#options.set(host, options);
    options.catch(() => this.#options.delete(host));
    return options;
  }

  /** Drops the cache of a host. */
  forget(host: string): void {
    this.#options.delete(host);
  }

  /** Adds the system's authorities; returns false if they were added before. */
  widen(): boolean {
    if (this.#system) return false;
    this.#system = true;
    this.#options.clear();
    return true;
  }

  async #build(host: string): Promise<TlsOptions> {
    const config = this.#configOf(host);
    const found = HOST.test(host) && !host.startsWith(".") ? await readDirectory(join(this.#directory, host)) : NOTHING;
    const configured = config === undefined ? NOTHING : await readConfigured(config);
    const authorities = [...found.authorities, ...configured.authorities];
    const client = configured.client ?? found.client;
    const open =
      config?.insecure === true || (authorities.length === 0 && isLoopback(new URL(`http://${host}`).hostname));
    const rejectUnauthorized = !open;
    if (authorities.length === 0 && client === undefined && !this.#system) return { rejectUnauthorized };
    const { createSecureContext, getCACertificates } = await import("node:tls");
    const system = this.#system ? getCACertificates("system") : [];
    try {
      const ca = [...getCACertificates("default"), ...system, ...authorities];
      return { rejectUnauthorized, secureContext: createSecureContext({ ca, ...client }) };
    } catch (error) {
      const why = error instanceof Error ? error.message : "not valid PEM";
      throw new VarveError("invalid-argument", `Cannot use the certificates of ${host}: ${why}`, {
        cause: error,
      });
    }
  }
}
