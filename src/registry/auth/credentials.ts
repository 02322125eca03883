import { DEFAULT_REGISTRY } from "../../core/index.ts";

/** Proof of identity for a registry. `identity-token` is an OAuth2 refresh token, `bearer` a token used as it is. */
export type Credential =
  | { readonly kind: "anonymous" }
  | { readonly kind: "basic"; readonly username: string; readonly password: string }
  | { readonly kind: "identity-token"; readonly token: string }
  | { readonly kind: "bearer"; readonly token: string }
  | { readonly kind: "delegate"; readonly delegate: CredentialDelegate };

/** Another process, which logs in to token servers itself and keeps the password. */
export interface CredentialDelegate {
  /** Gets a token from a token server. Throws `unauthorized` if the credential is refused. */
  fetchToken(request: DelegatedTokenRequest, options: { signal?: AbortSignal | undefined }): Promise<DelegatedToken>;
  /** Returns the credential itself, for a registry without a token server. */
  credential(options: { signal?: AbortSignal | undefined }): Promise<PlainCredential>;
}

/** A credential that this process can use. */
export type PlainCredential = Exclude<Credential, { readonly kind: "delegate" }>;

/** What a registry asks for in its challenge. */
export interface DelegatedTokenRequest {
  /** URL of the token server. */
  readonly realm: string;
  readonly service: string;
  /** Each as `repository:<name>:<actions>`. */
  readonly scopes: readonly string[];
}

export interface DelegatedToken {
  readonly token: string;
  /** Seconds from now. */
  readonly expiresIn: number;
}

/** Returns the secret strings of a credential. A password is also sent together with its user name. */
export function secretsOf(credential: Credential): readonly string[] {
  switch (credential.kind) {
    case "anonymous":
    case "delegate":
      return [];
    case "basic":
      return [credential.password, `${credential.username}:${credential.password}`];
    case "identity-token":
    case "bearer":
      return [credential.token];
  }
}

export const ANONYMOUS: Credential = { kind: "anonymous" };

/**
 * Finds the credential for a registry host as it stands in a reference ("docker.io", "localhost:5000"). Throws
 * `unauthorized` if a credential exists but cannot be read (a broken helper), but not if there is none.
 */
export type CredentialSource = (host: string, options: { signal?: AbortSignal | undefined }) => Promise<Credential>;

/** One entry of `auths` in Docker's `config.json`. */
export interface DockerAuth {
  readonly auth?: string | undefined;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly identitytoken?: string | undefined;
  readonly registrytoken?: string | undefined;
}

/** The part of Docker's `config.json` about credentials. */
export interface DockerConfig {
  readonly auths: ReadonlyMap<string, DockerAuth>;
  readonly credsStore: string | undefined;
  readonly credHelpers: ReadonlyMap<string, string>;
}

/** The key Docker writes for its own registry. */
const DOCKER_HUB_KEY = "https://index.docker.io/v1/";

const HUB_NAMES = new Set(["docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"]);

/** The host that a key of a credential file stands for: scheme, path and Docker's old index name removed. */
export function hostOfKey(key: string): string {
  const host = key.replace(/^https?:\/\//, "").split("/", 1)[0] ?? "";
  return HUB_NAMES.has(host) ? DEFAULT_REGISTRY : host;
}

/** Returns the keys by which a file or a helper may store the credential of `host`, the most common first. */
export function keysOfHost(host: string): readonly string[] {
  const normal = hostOfKey(host);
  if (normal === DEFAULT_REGISTRY) return [DOCKER_HUB_KEY, "docker.io", "index.docker.io", "registry-1.docker.io"];
  return [normal, `https://${normal}`, `http://${normal}`];
}

/** Makes a source of fixed credentials, by host or by Docker's keys. Other hosts are anonymous. */
export function staticCredentials(
  entries: Iterable<readonly [host: string, credential: Credential]>,
): CredentialSource {
  const byHost = new Map([...entries].map(([key, credential]) => [hostOfKey(key), credential] as const));
  return (host) => Promise.resolve(byHost.get(hostOfKey(host)) ?? ANONYMOUS);
}
