import { VarveError, withhold } from "../../core/index.ts";
import { type OnWait, SingleFlight } from "../../io/index.ts";
import { type Challenge, parseChallenges } from "./challenge.ts";
import { type Credential, type CredentialSource, secretsOf } from "./credentials.ts";
import type { Endpoint } from "../transport/endpoint.ts";
import { type SecretPath, maySendSecret, realmOf } from "./realm.ts";
import { type Scope, covers, formatScope, mergeScopes, parseScopes } from "./scope.ts";
import { type SendOk, type Token, basicHeader, delegatedToken, fetchToken } from "./token.ts";

/** What the registry asked for when it last refused a request. */
type Demand =
  | { readonly kind: "basic" }
  | { readonly kind: "bearer"; readonly realm: URL; readonly service: string | undefined };

interface Known {
  demand: Demand | undefined;
  credential: { readonly value: Credential; readonly until: number } | undefined;
  tokens: Token[];
}

/** An `Authorization` value and the credential or token in it, so that a refusal invalidates the right one. */
export interface Authorization {
  readonly header: string | undefined;
  readonly token: Token | undefined;
}

export interface AuthorizeOptions {
  readonly scopes: readonly Scope[];
  readonly signal: AbortSignal | undefined;
  readonly onWait?: OnWait | undefined;
}

export interface AuthorizerOptions {
  readonly credentials: CredentialSource;
  /** True if the configuration allows a host without TLS. */
  readonly isPlain: (host: string) => boolean;
  /** Reaches a token server; `trustHost` names whose certificates apply. */
  readonly send: (trustHost: string, onWait: OnWait | undefined) => SendOk;
}

const CREDENTIAL_LIFE_MS = 300_000;
const MAX_TOKENS = 64;
/** How many of the latest secrets are removed from messages. */
const MAX_WITHHELD = 64;
/** The authorization of an anonymous request. */
export const UNAUTHORIZED: Authorization = { header: undefined, token: undefined };

function bearerDemand(challenge: Challenge, endpoint: Endpoint): Demand {
  const realm = realmOf(challenge, endpoint.name);
  return { kind: "bearer", realm, service: challenge.parameters.get("service") };
}

function plainRealm(endpoint: Endpoint, { realm, registry }: SecretPath): VarveError {
  const canAllow = registry.protocol === "http:";
  return new VarveError(
    "unauthorized",
    `Cannot log in to registry ${endpoint.name}: its token server ${realm.host} does not use TLS`,
    canAllow
      ? { hint: `If credentials may go there in the clear, set "http" for ${realm.host} in the configuration.` }
      : {},
  );
}

/**
 * Logs in to registries. For each endpoint it remembers the challenge, the credential, and the tokens by scope until they expire. Sends
 * no credentials before a registry has asked for them.
 */
export class Authorizer implements Disposable {
  readonly #options: AuthorizerOptions;
  readonly #known = new Map<string, Known>();
  readonly #flights = new SingleFlight<string, Token>();
  readonly #questions = new SingleFlight<Known, Credential>();
  readonly #withheld: Disposable[] = [];

  constructor(options: AuthorizerOptions) {
    this.#options = options;
  }

  /** Returns the authorization for a request to `url` of the endpoint; none before the endpoint's first challenge. */
  async authorize(endpoint: Endpoint, url: URL, options: AuthorizeOptions): Promise<Authorization> {
    const known = this.#of(endpoint);
    const { demand } = known;
    if (demand === undefined) return UNAUTHORIZED;
    const credential = await this.#credential(endpoint, known, options.signal);
    if (credential.kind === "bearer") return { header: `Bearer ${credential.token}`, token: undefined };
    if (demand.kind === "basic") {
      if (credential.kind !== "basic") return UNAUTHORIZED;
      return { header: basicHeader(credential.username, credential.password), token: undefined };
    }
    const path = { realm: demand.realm, registry: url, isPlain: this.#options.isPlain };
    const sendsSecret = credential.kind !== "anonymous" && credential.kind !== "delegate";
    if (sendsSecret && !maySendSecret(path)) throw plainRealm(endpoint, path);
    const token = await this.#token(endpoint, known, demand, credential, options);
    return { header: `Bearer ${token.value}`, token };
  }

  /**
   * Handles a 401 response. Returns the scopes for a retry, or undefined if there is no better credential.
   */
  async challenged(
    endpoint: Endpoint,
    values: readonly string[],
    used: Authorization,
    options: AuthorizeOptions,
  ): Promise<readonly Scope[] | undefined> {
    const known = this.#of(endpoint);
    const challenges = parseChallenges(values);
    const bearer = challenges.find(({ scheme }) => scheme === "bearer");
    if (bearer === undefined && !challenges.some(({ scheme }) => scheme === "basic")) return undefined;
    known.demand = bearer === undefined ? { kind: "basic" } : bearerDemand(bearer, endpoint);
    known.tokens = known.tokens.filter((token) => token !== used.token);
    const credential = await this.#credential(endpoint, known, options.signal);
    const sameAgain = used.header !== undefined && used.token === undefined;
    if (sameAgain) known.credential = undefined;
    if (sameAgain && (bearer === undefined || credential.kind === "bearer")) return undefined;
    if (bearer === undefined && credential.kind !== "basic" && credential.kind !== "bearer") return undefined;
    return mergeScopes([...options.scopes, ...parseScopes(bearer?.parameters.get("scope") ?? "")]);
  }

  [Symbol.dispose](): void {
    for (const each of this.#withheld.splice(0)) each[Symbol.dispose]();
  }

  #withhold(...values: readonly string[]): void {
    this.#withheld.push(withhold(...values));
    if (this.#withheld.length > MAX_WITHHELD) this.#withheld.shift()?.[Symbol.dispose]();
  }

  #of(endpoint: Endpoint): Known {
    const key = `${endpoint.name} ${endpoint.host}${endpoint.prefix}`;
    const known = this.#known.get(key) ?? { demand: undefined, credential: undefined, tokens: [] };
    this.#known.set(key, known);
    return known;
  }

  /** Returns the credential of an endpoint. A delegate is asked for its own if the endpoint has no token server. */
  async #credential(endpoint: Endpoint, known: Known, signal: AbortSignal | undefined): Promise<Credential> {
    const credential = await this.#found(endpoint, known, signal);
    if (credential.kind !== "delegate" || known.demand?.kind !== "basic") return credential;
    const ask = async (shared: AbortSignal): Promise<Credential> => {
      return this.#remember(known, await credential.delegate.credential({ signal: shared }));
    };
    return await this.#questions.run(known, ask, signal);
  }

  async #found(endpoint: Endpoint, known: Known, signal: AbortSignal | undefined): Promise<Credential> {
    if (known.credential !== undefined && known.credential.until > Date.now()) return known.credential.value;
    const ask = async (shared: AbortSignal): Promise<Credential> => {
      return this.#remember(known, await this.#options.credentials(endpoint.name, { signal: shared }));
    };
    return await this.#questions.run(known, ask, signal);
  }

  #remember(known: Known, value: Credential): Credential {
    this.#withhold(...secretsOf(value));
    known.credential = { value, until: Date.now() + CREDENTIAL_LIFE_MS };
    return value;
  }

  async #token(
    endpoint: Endpoint,
    known: Known,
    demand: Demand & { kind: "bearer" },
    credential: Exclude<Credential, { kind: "bearer" }>,
    { scopes, signal, onWait }: AuthorizeOptions,
  ): Promise<Token> {
    known.tokens = known.tokens.filter((token) => token.expiresAt > Date.now());
    const held = known.tokens.find((token) => covers(token.scopes, scopes));
    if (held !== undefined) return held;
    const wanted = mergeScopes(scopes);
    const { realm, service } = demand;
    const trustHost = realm.host === endpoint.host ? endpoint.name : realm.host;
    const key = [endpoint.name, realm.href, service ?? "", ...wanted.map(formatScope)].join(" ");
    const token = await this.#flights.run(
      key,
      async (signal) => {
        const request = { realm, service, scopes: wanted, signal };
        const fresh =
          credential.kind === "delegate"
            ? await delegatedToken(credential.delegate, request)
            : await fetchToken(this.#options.send(trustHost, onWait), { ...request, credential });
        this.#withhold(fresh.value, fresh.refreshToken ?? "");
        this.#keep(known, credential, fresh);
        return fresh;
      },
      signal,
    );
    return token;
  }

  #keep(known: Known, credential: Credential, token: Token): void {
    known.tokens = [token, ...known.tokens].slice(0, MAX_TOKENS);
    if (credential.kind !== "identity-token" || token.refreshToken === undefined) return;
    const rotated: Credential = { kind: "identity-token", token: token.refreshToken };
    known.credential = { value: rotated, until: Date.now() + CREDENTIAL_LIFE_MS };
  }
}
