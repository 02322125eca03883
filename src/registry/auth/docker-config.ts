import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { type JsonNode, VarveError, errnoOf, parseJson } from "../../core/index.ts";
import { askHelper } from "./credential-helper.ts";
import {
  ANONYMOUS,
  type Credential,
  type CredentialSource,
  type DockerAuth,
  type DockerConfig,
  hostOfKey,
  keysOfHost,
} from "./credentials.ts";

const EMPTY: DockerConfig = { auths: new Map(), credsStore: undefined, credHelpers: new Map() };
const MAX_FILE = 4_194_304;

function configError(path: string, why: string, cause?: unknown): VarveError {
  return new VarveError("invalid-argument", `Cannot read credentials from ${path}: ${why}`, { cause });
}

function readAuth(item: JsonNode): DockerAuth {
  const json = item.objectOrEmpty();
  return {
    auth: json.string("auth"),
    username: json.string("username"),
    password: json.string("password"),
    identitytoken: json.string("identitytoken"),
    registrytoken: json.string("registrytoken"),
  };
}

async function readConfig(path: string): Promise<DockerConfig> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    const code = errnoOf(error);
    if (code === "ENOENT" || code === "ENOTDIR") return EMPTY;
    throw configError(path, code ?? "not readable", error);
  }
  // The syntax error is not the cause, because it quotes the file and its credentials.
  const options = { limit: MAX_FILE, error: (state: string) => configError(path, state) };
  const json = parseJson(bytes, path, options).requiredObject();
  return {
    auths: json.field("auths").map(readAuth) ?? new Map(),
    credsStore: json.string("credsStore"),
    credHelpers: json.stringMap("credHelpers") ?? new Map(),
  };
}

/** `auth` is base64 of `user:password`; Docker pads passwords with NUL bytes. */
function decodeAuth(auth: string): { username: string; password: string } | undefined {
  const text = Buffer.from(auth, "base64").toString("utf8");
  const colon = text.indexOf(":");
  if (colon <= 0) return undefined;
  return { username: text.slice(0, colon), password: text.slice(colon + 1).replace(/^\0+|\0+$/g, "") };
}

/** The credential an entry of Docker's `auths`, or of the Engine API's `X-Registry-Auth`, stands for. */
export function credentialOf(entry: DockerAuth): Credential {
  if (entry.registrytoken) return { kind: "bearer", token: entry.registrytoken };
  if (entry.identitytoken) return { kind: "identity-token", token: entry.identitytoken };
  const decoded = entry.auth ? decodeAuth(entry.auth) : undefined;
  const username = entry.username || decoded?.username;
  const password = entry.password || decoded?.password;
  return username && password ? { kind: "basic", username, password } : ANONYMOUS;
}

function fromAuths(config: DockerConfig, host: string): Credential {
  for (const key of keysOfHost(host)) {
    const entry = config.auths.get(key);
    const credential = entry === undefined ? ANONYMOUS : credentialOf(entry);
    if (credential.kind !== "anonymous") return credential;
  }
  for (const [key, entry] of config.auths) {
    if (hostOfKey(key) !== hostOfKey(host)) continue;
    const credential = credentialOf(entry);
    if (credential.kind !== "anonymous") return credential;
  }
  return ANONYMOUS;
}

/** The directory of Docker's client configuration, absolute: `$DOCKER_CONFIG`, else `~/.docker`. */
function dockerConfigDirectory(env: NodeJS.ProcessEnv): string {
  const configured = env["DOCKER_CONFIG"];
  return configured === undefined || configured === ""
    ? join(env["HOME"] || homedir(), ".docker")
    : resolve(configured);
}

export interface DockerCredentialOptions {
  /** The directory of `config.json`. Default: `$DOCKER_CONFIG`, else `~/.docker`. */
  readonly directory?: string | undefined;
  /** The environment of whoever asks, also for helpers. Default: that of this process. */
  readonly env?: NodeJS.ProcessEnv | undefined;
}

/**
 * Finds credentials as Docker's client does: by the helper of the host, else the common helper, else in the file itself. The file is read
 * for each request, so that a later `docker login` takes effect.
 */
export function dockerCredentials({ env = process.env, directory }: DockerCredentialOptions = {}): CredentialSource {
  const path = resolve(directory ?? dockerConfigDirectory(env), "config.json");
  return async (host, { signal }) => {
    const config = await readConfig(path);
    const keys = keysOfHost(host);
    const helper =
      keys.map((key) => config.credHelpers.get(key)).find((name) => name !== undefined) ?? config.credsStore;
    if (helper !== undefined && helper !== "") {
      const found = await askHelper(helper, keys[0] ?? host, { signal, env });
      if (found.kind !== "anonymous") return found;
    }
    return fromAuths(config, host);
  };
}
