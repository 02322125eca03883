import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { X509Certificate, constants, verify } from "node:crypto";
import { once } from "node:events";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { type IncomingMessage, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { after, before, beforeEach, suite, test } from "node:test";
import { promisify } from "node:util";
import { AZURE_ACCOUNT, azureMissing, startAzure } from "../../../../testing/azure-server.ts";
import { makeCertificates } from "../../../../testing/certificates.ts";
import { redact } from "../../../core/index.ts";
import { objectBody, openAzureBlobs } from "../../index.ts";
import { EntraTokens } from "./tokens.ts";

interface Asked {
  readonly name: string;
  readonly headers: IncomingMessage["headers"];
  readonly form: URLSearchParams;
}

type Answer = string | { readonly status: number; readonly body?: string };

const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
/** A token as Entra's, which nobody has signed. */
function jwt(more: object = {}): string {
  const now = Math.floor(Date.now() / 1000);
  const times = { iat: now - 60, nbf: now - 60, exp: now + 3600 };
  const claims = { aud: "https://storage.azure.com", iss: "https://sts.windows.net/tenant/", ver: "1.0", ...times };
  return `${encoded({ alg: "RS256", typ: "JWT" })}.${encoded({ ...claims, ...more })}.c2lnbmF0dXJl`;
}

suite("tokens of Entra", () => {
  const stack = new AsyncDisposableStack();
  let directory: string;
  let service: string;
  let answers: Readonly<Record<string, Answer>> = {};
  let asked: Asked[] = [];
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "varve-entra-"));
    stack.defer(() => rm(directory, { recursive: true }));
    const server = createServer((request, response) => {
      let body = "";
      request.on("data", (chunk) => (body += String(chunk)));
      request.on("end", () => {
        const name = `${request.method} ${(request.url ?? "").split("?")[0]}`;
        const query = new URLSearchParams((request.url ?? "").split("?")[1]);
        asked.push({ name, headers: request.headers, form: body === "" ? query : new URLSearchParams(body) });
        const answer = answers[name] ?? { status: 404 };
        const { status, body: text = "" } = typeof answer === "string" ? { status: 200, body: answer } : answer;
        response.writeHead(status).end(text);
      });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    stack.defer(() => {
      server.close();
      server.closeAllConnections();
    });
    service = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(() => stack.disposeAsync());
  beforeEach(() => {
    asked = [];
  });

  const nothing = (): Record<string, string> => ({
    AZURE_AUTHORITY_HOST: service,
    AZURE_POD_IDENTITY_AUTHORITY_HOST: service,
    PATH: "/nonexistent",
  });
  async function find(env: Record<string, string>): Promise<string> {
    using tokens = new EntraTokens({ ...nothing(), ...env });
    const token = await tokens.token(undefined);
    assert.equal(await tokens.token(undefined), token, "a token that is valid is used again");
    assert.equal(redact(`so ${token} is`), "so *** is", "tokens in use are removed from messages");
    return token;
  }
  const only = (): Asked => {
    assert.equal(asked.length, 1);
    return asked[0] ?? assert.fail();
  };
  const application = { AZURE_TENANT_ID: "tenant", AZURE_CLIENT_ID: "app" };
  const TOKEN = "POST /tenant/oauth2/v2.0/token";
  const granted = (token: string): string => JSON.stringify({ access_token: token, expires_in: 3599 });

  test("of a service principal with a secret", async () => {
    answers = { [TOKEN]: granted("token-by-secret") };
    assert.equal(await find({ ...application, AZURE_CLIENT_SECRET: "its-secret" }), "token-by-secret");
    const { grant_type, client_id, client_secret, scope } = Object.fromEntries(only().form);
    assert.deepEqual([grant_type, client_id, client_secret], ["client_credentials", "app", "its-secret"]);
    assert.equal(scope, "https://storage.azure.com/.default");
  });

  test("of a service principal with a certificate", async () => {
    const path = join(directory, "app.pem");
    const made = ["-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=app", "-days", "2"];
    await promisify(execFile)("openssl", ["req", ...made, "-keyout", `${path}.key`, "-out", `${path}.crt`]);
    await writeFile(path, `${await readFile(`${path}.key`, "utf8")}${await readFile(`${path}.crt`, "utf8")}`);
    answers = { [TOKEN]: granted("token-by-certificate") };
    assert.equal(await find({ ...application, AZURE_CLIENT_CERTIFICATE_PATH: path }), "token-by-certificate");
    const [header = "", claims = "", signature = ""] = (only().form.get("client_assertion") ?? "").split(".");
    const key = {
      key: new X509Certificate(await readFile(path)).publicKey,
      padding: constants.RSA_PKCS1_PSS_PADDING,
      saltLength: 32,
    };
    const data = Buffer.from(`${header}.${claims}`);
    assert.ok(verify("sha256", data, key, Buffer.from(signature, "base64url")));
    const { aud, iss, sub } = JSON.parse(Buffer.from(claims, "base64url").toString()) as Record<string, unknown>;
    assert.deepEqual([aud, iss, sub], [`${service}/tenant/oauth2/v2.0/token`, "app", "app"]);
  });

  test("of a workload", async () => {
    const file = join(directory, "token");
    await writeFile(file, "jwt-of-the-workload\n");
    answers = { [TOKEN]: granted("token-of-workload") };
    assert.equal(await find({ ...application, AZURE_FEDERATED_TOKEN_FILE: file }), "token-of-workload");
    assert.equal(only().form.get("client_assertion"), "jwt-of-the-workload");
    await assert.rejects(find({ ...application, AZURE_FEDERATED_TOKEN_FILE: "/nonexistent" }), {
      code: "unauthorized",
    });
  });

  test("of a machine and of an app with a managed identity", async () => {
    const end = String(Math.floor(Date.now() / 1000) + 3600);
    answers = {
      "GET /metadata/identity/oauth2/token": JSON.stringify({ access_token: "token-of-machine", expires_in: "3599" }),
      "GET /msi/token": JSON.stringify({ access_token: "token-of-app", expires_on: end }),
    };
    assert.equal(await find({ AZURE_CLIENT_ID: "chosen" }), "token-of-machine");
    assert.equal(only().headers["metadata"], "true");
    assert.equal(only().form.get("client_id"), "chosen");
    assert.equal(only().form.get("resource"), "https://storage.azure.com/");
    asked = [];
    assert.equal(await find({ IDENTITY_ENDPOINT: `${service}/msi/token`, IDENTITY_HEADER: "header" }), "token-of-app");
    assert.equal(only().headers["x-identity-header"], "header");
  });

  test("of the user of az", async () => {
    answers = {};
    const az = join(directory, "az");
    const said = JSON.stringify({ accessToken: "token-of-user", expires_on: Math.floor(Date.now() / 1000) + 3600 });
    await writeFile(az, `#!/bin/sh\n[ "$1 $2" = "account get-access-token" ] && echo '${said}'\n`);
    await chmod(az, 0o755);
    assert.equal(await find({ PATH: `${directory}${delimiter}/bin` }), "token-of-user");
  });

  test("a token that is refused or about to end is got again", async () => {
    answers = { [TOKEN]: JSON.stringify({ access_token: "first-token-of-all", expires_in: 200 }) };
    using tokens = new EntraTokens({ ...nothing(), ...application, AZURE_CLIENT_SECRET: "secret" });
    await tokens.token(undefined);
    answers = { [TOKEN]: granted("second-token-of-all") };
    assert.equal(await tokens.token(undefined), "second-token-of-all");
    answers = { [TOKEN]: granted("third-token-of-all") };
    tokens.forget();
    assert.equal(await tokens.token(undefined), "third-token-of-all");
  });

  test("without any identity, or with a wrong one, it says so", async () => {
    answers = {};
    await assert.rejects(find({}), { code: "unauthorized", message: /no credentials were found/ });
    const wrong = JSON.stringify({ error: "invalid_client", error_description: "AADSTS7000215: Invalid secret" });
    answers = { [TOKEN]: { status: 401, body: wrong } };
    const secret = { ...application, AZURE_CLIENT_SECRET: "secret" };
    await assert.rejects(find(secret), { code: "unauthorized", message: /401 \(AADSTS7000215/ });
    await assert.rejects(find({ ...secret, AZURE_TENANT_ID: "../x" }), { code: "unauthorized" });
    await assert.rejects(find({ ...secret, AZURE_AUTHORITY_HOST: "http://a.example" }), { code: "unauthorized" });
    answers = { [TOKEN]: "{}" };
    await assert.rejects(find(secret), { code: "unauthorized", message: /no token/ });
  });

  test("a store takes them", { skip: azureMissing() ?? false }, async () => {
    const { serverCert: cert, serverKey: key } = await makeCertificates(directory);
    await using server = await startAzure({ tls: { cert, key } });
    answers = { [TOKEN]: granted(jwt({ aud: "https://elsewhere.example" })) };
    const env = { ...nothing(), ...application, AZURE_CLIENT_SECRET: "secret" };
    const place = { accountUrl: server.url, account: AZURE_ACCOUNT.name, container: "caches" };
    using store = openAzureBlobs({ ...place, env });
    await assert.rejects(store.prepare(), { code: "unauthorized" });
    assert.equal(asked.length, 2, "another token is got, once");
    answers = { [TOKEN]: granted(jwt()) };
    using other = openAzureBlobs({ ...place, env });
    await other.put("x", objectBody(Buffer.from("content")));
    assert.equal((await other.head("x"))?.size, 7);
  });
});
