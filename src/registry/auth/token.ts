import { VarveError, parseJson } from "../../core/index.ts";
import type { Credential, CredentialDelegate } from "./credentials.ts";
import { type TransportRequest, bodyOf } from "../../http/index.ts";
import { type Scope, formatScope } from "./scope.ts";

/** A bearer token. `expiresAt` is in milliseconds since the epoch, by this machine's clock, less a margin. */
export interface Token {
  readonly value: string;
  readonly scopes: readonly Scope[];
  readonly expiresAt: number;
  /** A new refresh token, which replaces the one that was used. */
  readonly refreshToken: string | undefined;
}

export interface TokenRequest {
  readonly realm: URL;
  readonly service: string | undefined;
  readonly scopes: readonly Scope[];
  readonly credential: Exclude<Credential, { kind: "bearer" | "delegate" }>;
  readonly signal: AbortSignal | undefined;
}

/** Sends with retries and returns the body of a success; throws for any other status, and past `limit` bytes. */
export type SendOk = (request: TransportRequest, limit: number) => Promise<Buffer>;

const CLIENT_ID = "varve";
const MAX_RESPONSE = 1_048_576;
const MAX_TOKEN = 65_536;
/** Seconds: default and minimum lifetime by distribution's specification. */
const LEAST_LIFE = 60;
const LONGEST_LIFE = 86_400;
const MARGIN = 0.9;

export function basicHeader(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`, "utf8").toString("base64")}`;
}

function getRequest({ realm, service, scopes, credential, signal }: TokenRequest): TransportRequest {
  const url = new URL(realm);
  if (service !== undefined) url.searchParams.set("service", service);
  for (const scope of scopes) url.searchParams.append("scope", formatScope(scope));
  const headers: Record<string, string> = { accept: "application/json" };
  if (credential.kind === "basic") {
    url.searchParams.set("account", credential.username);
    headers["authorization"] = basicHeader(credential.username, credential.password);
  }
  return { method: "GET", url, headers, signal };
}

function refreshRequest({ realm, service, scopes, signal }: TokenRequest, refreshToken: string): TransportRequest {
  const form = new URLSearchParams({ grant_type: "refresh_token", client_id: CLIENT_ID, refresh_token: refreshToken });
  if (service !== undefined) form.set("service", service);
  if (scopes.length > 0) form.set("scope", scopes.map(formatScope).join(" "));
  const body = Buffer.from(form.toString(), "latin1");
  return {
    method: "POST",
    url: realm,
    headers: { accept: "application/json", "content-type": "application/x-www-form-urlencoded" },
    body: bodyOf(body),
    signal,
  };
}

function tokenError(realm: URL, why: string): VarveError {
  return new VarveError("remote", `Cannot get a token from ${realm.host}: ${why}`);
}

function tokenOf(value: string, expiresIn: number, { realm, scopes }: Pick<TokenRequest, "realm" | "scopes">): Token {
  if (value === "" || value.length > MAX_TOKEN || !/^[\x21-\x7e]+$/.test(value))
    throw tokenError(realm, "its answer holds no usable token");
  const life = Math.min(Math.max(expiresIn, LEAST_LIFE), LONGEST_LIFE);
  return { value, scopes, expiresAt: Date.now() + life * 1000 * MARGIN, refreshToken: undefined };
}

function readToken(bytes: Buffer, request: TokenRequest): Token {
  // A syntax error would quote the token: it does not become the cause.
  const error = (): VarveError => tokenError(request.realm, "its answer is not a token response");
  const json = parseJson(bytes, "token response", { error }).requiredObject();
  const value = json.string("token") ?? json.string("access_token") ?? "";
  const token = tokenOf(value, json.field("expires_in").number() ?? LEAST_LIFE, request);
  return { ...token, refreshToken: json.string("refresh_token") };
}

/**
 * Gets a token for the scopes: distribution's token authentication (GET, with Basic if there is a password) or, with an
 * identity token, its OAuth2 form (POST). Throws `unauthorized` if the credential is refused.
 */
export async function fetchToken(send: SendOk, request: TokenRequest): Promise<Token> {
  const { credential } = request;
  const wire = credential.kind === "identity-token" ? refreshRequest(request, credential.token) : getRequest(request);
  return readToken(await send(wire, MAX_RESPONSE), request);
}

/** Gets a token for the scopes from a delegate, which asks the token server. */
export async function delegatedToken(
  delegate: CredentialDelegate,
  request: Omit<TokenRequest, "credential">,
): Promise<Token> {
  const { realm, service = "", scopes, signal } = request;
  const asked = { realm: realm.href, service, scopes: scopes.map(formatScope) };
  const { token, expiresIn } = await delegate.fetchToken(asked, { signal });
  return tokenOf(token, expiresIn, request);
}
