import { DEFAULT_REGISTRY, VarveError } from "../../../core/index.ts";
import { type CallOptions, GrpcCode, GrpcError, invoke, isGrpcError } from "../../../grpc/index.ts";
import {
  type Credential,
  type CredentialDelegate,
  type CredentialSource,
  type DelegatedToken,
  type DelegatedTokenRequest,
  type PlainCredential,
} from "../../../registry/index.ts";
import { clientError } from "../client/client-error.ts";
import { Auth } from "../proto/gen/auth_pb.ts";
import { called } from "../proto/methods.ts";
import type { CallerOptions, ClientSession } from "./client-session.ts";
import { tokenAuthority } from "./token-authority.ts";

const credentialsMethod = called(Auth.method.credentials);
const fetchTokenMethod = called(Auth.method.fetchToken);

/** Milliseconds for one answer. The client may ask its user, or a slow helper. */
const PATIENCE = 60_000;
const CLIENT_ID = "buildkit-client";
/** Seconds, if the client does not say how long a token is valid. */
const TOKEN_LIFE = 60;

/** The name by which clients know Docker's registry. */
function clientHost(host: string): string {
  return host === DEFAULT_REGISTRY ? "registry-1.docker.io" : host;
}

function authOptions({ signal }: CallerOptions): CallOptions {
  return { signal, timeout: PATIENCE };
}

/** Returns the client's credential for a registry; anonymous if it shares none. */
async function credentialOf(session: ClientSession, host: string, options: CallerOptions): Promise<PlainCredential> {
  try {
    const { username, secret } = await invoke(session.client, credentialsMethod, { host }, authOptions(options));
    if (secret === "") return { kind: "anonymous" };
    return username === "" ? { kind: "identity-token", token: secret } : { kind: "basic", username, password: secret };
  } catch (error) {
    if (isGrpcError(error, GrpcCode.unimplemented)) return { kind: "anonymous" };
    throw refused(host, error);
  }
}

/** Gets a token from the client, which asks the token server itself. */
async function fetchToken(
  session: ClientSession,
  host: string,
  { realm, service, scopes }: DelegatedTokenRequest,
  options: CallerOptions,
): Promise<DelegatedToken> {
  const request = { clientId: CLIENT_ID, host, realm, service, scopes: [...scopes] };
  try {
    const response = await invoke(session.client, fetchTokenMethod, request, authOptions(options));
    const { token, expiresIn, issuedAt } = response;
    const life = Number(expiresIn) || TOKEN_LIFE;
    const age = issuedAt === 0n ? 0 : Math.max(0, Date.now() / 1000 - Number(issuedAt));
    return { token, expiresIn: life - age };
  } catch (error) {
    throw refused(host, error);
  }
}

function refused(host: string, error: unknown): unknown {
  if (!(error instanceof GrpcError) || error.code === GrpcCode.cancelled) return clientError(error);
  return new VarveError("unauthorized", `Cannot log in to registry ${host}: ${error.message}`, { cause: error });
}

/**
 * Returns the credentials of a client. A client that gets tokens itself never shows a password. All calls end with the session.
 */
export function sessionCredentials(session: ClientSession): CredentialSource {
  return async (name, options): Promise<Credential> => {
    const host = clientHost(name);
    const authority = await tokenAuthority(session, host, options);
    if (authority === undefined) return await credentialOf(session, host, options);
    const delegate: CredentialDelegate = {
      fetchToken: async (request, each) => await fetchToken(session, host, request, each),
      credential: async (each) => await credentialOf(session, host, each),
    };
    return { kind: "delegate", delegate };
  };
}
