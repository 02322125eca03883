import { execFile } from "node:child_process";
import { createPrivateKey, randomUUID, sign } from "node:crypto";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { type IncomingMessage, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** One question the token server was asked. */
export interface TokenQuestion {
  readonly method: string;
  readonly scopes: readonly string[];
  readonly user: string | undefined;
  readonly fields: URLSearchParams;
}

export interface TokenServer extends AsyncDisposable {
  readonly realm: string;
  readonly service: string;
  readonly issuer: string;
  /** Path of the PEM certificate that tokens are signed with. */
  readonly certificate: string;
  /** Every question so far, in order. */
  readonly questions: readonly TokenQuestion[];
  /** Seconds tokens are said to live, and whether they are in truth expired when issued. */
  life: { seconds: number; stale: boolean };
}

/** Good for a POST; each use gives the same again. */
export const TEST_REFRESH_TOKEN = "refresh-me-a-token";
const USERS = new Map([["varve", "sesame"]]);

function base64url(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

function basicUser(request: IncomingMessage): string | null | undefined {
  const encoded = /^Basic (.+)$/.exec(request.headers.authorization ?? "")?.[1];
  if (encoded === undefined) return undefined;
  const [user = "", password] = Buffer.from(encoded, "base64").toString().split(":");
  return USERS.get(user) === password ? user : null;
}

async function fieldsOf(request: IncomingMessage, url: URL): Promise<URLSearchParams> {
  if (request.method !== "POST") return url.searchParams;
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return new URLSearchParams(Buffer.concat(chunks).toString());
}

function userOf(request: IncomingMessage, fields: URLSearchParams): string | null | undefined {
  if (request.method !== "POST") return basicUser(request);
  return fields.get("grant_type") === "refresh_token" && fields.get("refresh_token") === TEST_REFRESH_TOKEN
    ? "varve"
    : null;
}

/** Anyone may pull from `public/…`; the test user may do everything. */
function granted(scope: string, user: string | undefined): object[] {
  const [type = "", name = "", actions = ""] = scope.split(":");
  const all = actions.split(",");
  const allowed = user === undefined ? all.filter((each) => each === "pull" && name.startsWith("public/")) : all;
  return allowed.length === 0 ? [] : [{ type, name, actions: allowed }];
}

/** A token server for the real registry: distribution's token authentication, GET and OAuth2 POST, signed with ES256. */
export async function startTokenServer(directory: string): Promise<TokenServer> {
  const [key, certificate] = [join(directory, "token.key"), join(directory, "token.crt")];
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const subject = ["-subj", "/CN=tokens", "-days", "2"];
  await run("openssl", ["req", "-x509", ...curve, "-keyout", key, "-out", certificate, ...subject]);
  const privateKey = createPrivateKey(await readFile(key));
  const der = (await readFile(certificate, "utf8")).replace(/-----[^-]+-----|\s/g, "");
  const questions: TokenQuestion[] = [];
  const life = { seconds: 300, stale: false };
  const identity = { service: "test-registry", issuer: "test-issuer" };

  const tokenFor = (access: object[]): string => {
    const now = Math.floor(Date.now() / 1000) - (life.stale ? 3600 : 0);
    const claims = { iss: identity.issuer, sub: "", aud: identity.service, jti: randomUUID(), access };
    const times = { iat: now, nbf: now - 30, exp: now + 300 };
    const input = `${base64url({ typ: "JWT", alg: "ES256", x5c: [der] })}.${base64url({ ...claims, ...times })}`;
    const signature = sign("sha256", Buffer.from(input), { key: privateKey, dsaEncoding: "ieee-p1363" });
    return `${input}.${signature.toString("base64url")}`;
  };

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? "/", "http://token");
    const fields = await fieldsOf(request, url);
    const user = userOf(request, fields);
    const scopes = fields.getAll("scope").flatMap((each) => each.split(" "));
    questions.push({ method: request.method ?? "", scopes, user: user ?? undefined, fields });
    if (user === null) {
      response.writeHead(401, { "content-type": "application/json" });
      response.end(JSON.stringify({ errors: [{ code: "UNAUTHORIZED", message: "wrong account" }] }));
      return;
    }
    const token = tokenFor(scopes.flatMap((scope) => granted(scope, user)));
    const body = request.method === "POST" ? { access_token: token, refresh_token: TEST_REFRESH_TOKEN } : { token };
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ ...body, expires_in: life.seconds }));
  };

  const server = createServer((request, response) => void answer(request, response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    ...identity,
    realm: `http://127.0.0.1:${port}/token`,
    certificate,
    questions,
    life,
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
