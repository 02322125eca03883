import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type Certificates, makeCertificates } from "./certificates.ts";
import { type TokenServer, startTokenServer } from "./token-server.ts";

export interface RegistryServerOptions {
  /** `htpasswd`: Basic; `token`: Bearer, with a token server of its own. Both know `TEST_USER` only. */
  readonly auth?: "none" | "htpasswd" | "token";
  /** TLS with an authority of its own; `mutual` wants a client certificate too. */
  readonly tls?: boolean | "mutual";
}

export interface RegistryServer extends AsyncDisposable {
  /** `127.0.0.1:<port>`, as it stands in a reference. */
  readonly host: string;
  readonly url: string;
  /** Where the registry keeps its files. */
  readonly directory: string;
  readonly certificates: Certificates | undefined;
  readonly tokens: TokenServer | undefined;
}

/** The one account of a registry with authentication. */
export const TEST_USER = { username: "varve", password: "sesame" } as const;
/** `varve:sesame`, bcrypt. */
const HTPASSWD = "varve:$2y$05$VarveTestRegistrySalt.WrgcBI88JW2YeFa3qwk6Nb6AgnEWjLm\n";
const START_MS = 20_000;

/** Why the real registry cannot be started here; undefined if it can. */
export function registryMissing(): string | undefined {
  const found = spawnSync("docker-registry", ["--version"], { stdio: "ignore" }).error === undefined;
  return found ? undefined : "docker-registry is not installed";
}

function configOf(directory: string, parts: readonly string[]): string {
  return `version: 0.1
log:
  level: info
  accesslog:
    disabled: true
storage:
  filesystem:
    rootdirectory: ${join(directory, "data")}
  delete:
    enabled: true
${parts.join("")}`;
}

function httpPart(certificates: Certificates | undefined, mutual: boolean): string {
  if (certificates === undefined) return "http:\n  addr: 127.0.0.1:0\n";
  const clients = mutual ? `    clientcas:\n      - ${certificates.ca}\n` : "";
  return `http:
  addr: 127.0.0.1:0
  tls:
    certificate: ${certificates.serverCert}
    key: ${certificates.serverKey}
${clients}`;
}

async function authPart(directory: string, tokens: TokenServer | undefined, auth: string): Promise<string> {
  if (auth === "htpasswd") {
    await writeFile(join(directory, "htpasswd"), HTPASSWD);
    return `auth:\n  htpasswd:\n    realm: test\n    path: ${join(directory, "htpasswd")}\n`;
  }
  if (tokens === undefined) return "";
  return `auth:
  token:
    realm: ${tokens.realm}
    service: ${tokens.service}
    issuer: ${tokens.issuer}
    rootcertbundle: ${tokens.certificate}
`;
}

/** The port from the line the registry logs once it listens. */
async function portOf(child: ChildProcess): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const seen: string[] = [];
  const timer = setTimeout(() => reject(new Error(`docker-registry does not start:\n${seen.join("\n")}`)), START_MS);
  if (child.stderr === null) throw new Error("docker-registry has no standard error");
  createInterface({ input: child.stderr }).on("line", (line) => {
    if (seen.length < 100) seen.push(line);
    const port = /listening on [^"]*:(\d+)/.exec(line)?.[1];
    if (port !== undefined) resolve(Number(port));
  });
  child.once("error", reject);
  child.once("exit", () => reject(new Error(`docker-registry ended:\n${seen.join("\n")}`)));
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
}

/** Starts the real `docker-registry` on a free port of 127.0.0.1 over an empty directory; disposing ends and removes both. */
export async function startRegistry({
  auth = "none",
  tls = false,
}: RegistryServerOptions = {}): Promise<RegistryServer> {
  await using stack = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), "varve-registry-"));
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  const certificates = tls === false ? undefined : await makeCertificates(directory);
  const tokens = auth === "token" ? stack.use(await startTokenServer(directory)) : undefined;
  const parts = [httpPart(certificates, tls === "mutual"), await authPart(directory, tokens, auth)];
  await writeFile(join(directory, "config.yml"), configOf(directory, parts));
  const child = spawn("docker-registry", ["serve", join(directory, "config.yml")], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { PATH: process.env["PATH"], OTEL_TRACES_EXPORTER: "none" },
  });
  const kill = (): void => void child.kill("SIGKILL");
  process.once("exit", kill);
  stack.defer(async () => {
    process.off("exit", kill);
    await stop(child);
  });
  const host = `127.0.0.1:${await portOf(child)}`;
  child.removeAllListeners("exit");
  const owned = stack.move();
  return {
    host,
    url: `${tls === false ? "http" : "https"}://${host}`,
    directory: join(directory, "data"),
    certificates,
    tokens,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
