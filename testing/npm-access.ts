import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { aptAccess } from "./debian-base.ts";
import { peersMissing } from "./peers.ts";

/** The registry and the proxies that npm uses on this machine, as an `.npmrc`. */
function npmSettings(): { readonly registry: string; readonly text: string } {
  const get = (key: string): string =>
    spawnSync("npm", ["config", "get", key], { encoding: "utf8", cwd: "/" }).stdout?.trim() ?? "";
  const values = ["registry", "proxy", "https-proxy", "noproxy"].map((key) => [key, get(key)] as const);
  const given = values.filter(([, value]) => value !== "" && value !== "null" && value !== "undefined");
  return { registry: get("registry"), text: given.map(([key, value]) => `${key}=${value}\n`).join("") };
}

/** Why steps cannot install packages of Debian and npm here; undefined if they can. */
export async function packagesUnavailable(): Promise<string | undefined> {
  const missing = peersMissing("mmdebstrap", "zstd", "apt-get", "npm");
  if (missing !== undefined) return missing;
  if (aptAccess() === undefined) return "the machine is not a Debian with sources of its own release";
  const ping = spawn("npm", ["ping", "--fetch-retries=0", "--fetch-timeout=10000"], { stdio: "ignore", cwd: "/" });
  const [code] = (await once(ping, "exit")) as [number];
  return code === 0 ? undefined : `npm does not reach its registry ${npmSettings().registry}`;
}

/** Flags for what npm needs on this machine: the secrets `npmrc` and `ca`. Writes into a folder. */
export function npmSecrets(folder: string): string[] {
  const npmrc = join(folder, "npmrc");
  writeFileSync(npmrc, npmSettings().text);
  const ca = process.env["NODE_EXTRA_CA_CERTS"] ?? process.env["SSL_CERT_FILE"];
  const secrets = [`id=npmrc,src=${npmrc}`, ...(ca !== undefined && existsSync(ca) ? [`id=ca,src=${ca}`] : [])];
  return secrets.flatMap((secret) => ["--secret", secret]);
}

/** The flags for what apt needs: the secret `apt`. Writes into a folder. */
export function aptSecret(folder: string): string[] {
  const conf = join(folder, "apt.conf");
  writeFileSync(conf, (aptAccess()?.settings ?? []).map((line) => `${line}\n`).join(""));
  return ["--secret", `id=apt,src=${conf}`];
}
