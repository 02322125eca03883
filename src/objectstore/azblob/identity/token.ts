import { Limits, VarveError, parseJson } from "../../../core/index.ts";
import { type TransportRequest, type TransportResponse, isLoopback, quoted } from "../../../http/index.ts";
import type { Environment, HttpClient } from "../../http-client.ts";
import { readErrorBody } from "../../store-error.ts";

/** A token of Microsoft Entra. */
export interface EntraToken {
  readonly token: string;
  /** Milliseconds since 1970. */
  readonly expires: number;
}

/** What the steps of the chain have to work with. */
export interface IdentityContext {
  readonly env: Environment;
  readonly client: HttpClient;
  readonly signal: AbortSignal;
}

/** What tokens are for. */
export const RESOURCE = "https://storage.azure.com";
/** The doing of all steps, for messages. */
const DOING = "get an Azure token";

/** Returns the error for an identity that cannot be used. */
export function noToken(why: string, cause?: unknown): VarveError {
  return new VarveError("unauthorized", `Cannot ${DOING}: ${why}`, cause === undefined ? {} : { cause });
}

/** Asks a service for a token. Returns undefined for a status in `absent`, which says that there is no identity here. */
export async function askToken(
  request: Pick<TransportRequest, "method" | "url" | "headers" | "body">,
  { client, signal }: IdentityContext,
  absent: readonly number[] = [],
): Promise<EntraToken | undefined> {
  const exchange = {
    signal,
    accept: [200, ...absent],
    doing: DOING,
    prepare: () => Promise.resolve(request),
    explain: async (refused: TransportResponse) => ({
      error: noToken(`${request.url.host} answered ${refused.status}${reasonIn(await readErrorBody(refused))}`),
    }),
  };
  const { status, text } = await client.answer(exchange, Limits.errorBody);
  return status === 200 ? tokenIn(text) : undefined;
}

/** The description of an OAuth 2.0 error. */
function reasonIn(text: string): string {
  try {
    const fields = parseJson(text, "an error").requiredObject();
    return ` (${quoted(fields.string("error_description") ?? fields.string("error") ?? "")})`;
  } catch {
    return "";
  }
}

/** Reads a token as services and `az` write it: with the seconds that are left, or with the second since 1970 in which it ends. */
export function tokenIn(text: string): EntraToken {
  const fields = parseJson(text, "an Azure token").requiredObject();
  const token = fields.string("access_token") ?? fields.string("accessToken") ?? "";
  if (!/^[\w.~+/=-]{1,65536}$/.test(token)) throw noToken("the answer contains no token");
  const [left, end] = [secondsOf(fields.field("expires_in")), secondsOf(fields.field("expires_on"))];
  const expires = left === undefined ? (end ?? 0) * 1000 : Date.now() + left * 1000;
  return { token, expires };
}

/** Some services write numbers as texts. */
function secondsOf(field: { readonly raw: unknown }): number | undefined {
  const text = typeof field.raw === "number" ? String(field.raw) : field.raw;
  return typeof text === "string" && /^\d{1,12}$/.test(text) ? Number(text) : undefined;
}

/**
 * Returns the URL at which a tenant's tokens are got.
 *
 * @throws {VarveError} `unauthorized` for an authority or a tenant that cannot be part of it.
 */
export function authorityUrl({ env }: Pick<IdentityContext, "env">, tenant: string): URL {
  const authority = env["AZURE_AUTHORITY_HOST"] || "https://login.microsoftonline.com";
  if (!/^[\w.-]{1,256}$/.test(tenant)) throw noToken("AZURE_TENANT_ID is not a tenant");
  const url = URL.canParse(authority) ? new URL(authority) : undefined;
  if (url === undefined || (url.protocol !== "https:" && !(url.protocol === "http:" && isLoopback(url.hostname))))
    throw noToken("AZURE_AUTHORITY_HOST is not an HTTPS URL");
  return new URL(`${url.pathname.replace(/\/$/, "")}/${tenant}/oauth2/v2.0/token`, url);
}
