import { VarveError, parseJson } from "../../core/index.ts";

/** What a token allows in a scope, which is a ref of git. */
export interface CacheScope {
  readonly scope: string;
  readonly canWrite: boolean;
}

/** What a token of the cache service says about itself. It is not verified. */
export interface CacheToken {
  /** In the order in which the service searches them. */
  readonly scopes: readonly CacheScope[];
  /** Milliseconds since 1970; undefined if the token does not say. */
  readonly notBefore: number | undefined;
  readonly expires: number | undefined;
}

const MAX_TOKEN = 65_536;
const MAX_SCOPES = 64;
const WRITE = 2;

function malformed(why: string): never {
  throw new VarveError("invalid-argument", `Cannot use the cache of GitHub Actions: token is malformed: ${why}`);
}

/**
 * Reads the claims of a token.
 *
 * @throws {VarveError} `invalid-argument` for what is no token of the cache service.
 */
export function readCacheToken(token: string): CacheToken {
  const parts = token.split(".");
  if (token.length > MAX_TOKEN || parts.length !== 3) malformed("it does not have three parts");
  try {
    const claims = parseJson(Buffer.from(parts[1] ?? "", "base64url"), "a token").requiredObject();
    const listed = parseJson(`{"ac":${claims.string("ac") || "[]"}}`, "the scopes of a token").requiredObject();
    return {
      scopes: listed.objects("ac", MAX_SCOPES).map((entry) => ({
        scope: entry.string("Scope") ?? "",
        canWrite: ((entry.integer("Permission") ?? 0) & WRITE) !== 0,
      })),
      notBefore: timeOf(claims.field("nbf").number()),
      expires: timeOf(claims.field("exp").number()),
    };
  } catch (error) {
    if (error instanceof VarveError && error.code === "invalid-argument") throw error;
    return malformed(error instanceof Error ? error.message : "");
  }
}

function timeOf(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : seconds * 1000;
}

/**
 * Checks that a token is valid now.
 *
 * @throws {VarveError} `unauthorized` if it has ended, or is not valid yet.
 */
export function checkCacheToken({ notBefore = 0, expires = Infinity }: CacheToken, now: number = Date.now()): void {
  const at = (time: number): string => new Date(time).toISOString();
  const fail = (why: string): never => {
    throw new VarveError("unauthorized", `Cannot use the cache of GitHub Actions: ${why}`, {
      hint: "Tokens are valid for some hours: the job must have one of its own.",
    });
  };
  if (now >= expires) fail(`cache token expired at ${at(expires)}`);
  if (now < notBefore) fail(`cache token is not valid before ${at(notBefore)}`);
}
