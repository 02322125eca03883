import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { type IncomingMessage, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, suite, test } from "node:test";
import { signatureFault } from "../../../testing/s3-signature.ts";
import { redact } from "../../core/index.ts";
import type { AwsKeys } from "../s3/sign.ts";
import { AwsCredentials } from "./aws.ts";
import { sectionsOf } from "./profile.ts";

interface Answer {
  readonly status?: number;
  readonly body?: string;
}

/** What a stand-in of AWS's services answers, by method and path. */
type Answers = Readonly<Record<string, Answer | ((request: IncomingMessage, body: string) => Answer)>>;

const LATER = "2999-01-01T00:00:00Z";
const json = (id: string): string =>
  JSON.stringify({ AccessKeyId: id, SecretAccessKey: `secret-of-${id}`, Token: `token-of-${id}`, Expiration: LATER });
const xml = (id: string, expiration: string = LATER): string =>
  `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>${id}</AccessKeyId>` +
  `<SecretAccessKey>secret-of-${id}</SecretAccessKey><SessionToken>token-of-${id}</SessionToken>` +
  `<Expiration>${expiration}</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`;
const keysOf = (id: string): AwsKeys => ({
  accessKeyId: id,
  secretAccessKey: `secret-of-${id}`,
  sessionToken: `token-of-${id}`,
});

suite("AWS credentials", () => {
  const stack = new AsyncDisposableStack();
  let directory: string;
  let service: string;
  let answers: Answers = {};
  let asked: string[] = [];
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "varve-aws-"));
    stack.defer(() => rm(directory, { recursive: true }));
    const server = createServer((request, response) => {
      let body = "";
      request.on("data", (chunk) => (body += String(chunk)));
      request.on("end", () => {
        const name = `${request.method} ${request.url}`;
        asked.push(name);
        const found = answers[name];
        const { status = 200, body: text = "" } = (typeof found === "function" ? found(request, body) : found) ?? {
          status: 404,
        };
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

  /** Looks for keys in an environment that has nothing of this machine. */
  async function find(env: Record<string, string>): Promise<AwsKeys | undefined> {
    const nothing = { HOME: "/nonexistent", AWS_EC2_METADATA_DISABLED: "true", AWS_ENDPOINT_URL_STS: service };
    using credentials = new AwsCredentials({ region: "eu-west-1", env: { ...nothing, ...env } });
    const keys = await credentials.keys();
    if (keys === undefined) return undefined;
    assert.equal(redact(`so ${keys.secretAccessKey} is`), "so *** is", "keys in use are removed from messages");
    const { accessKeyId, secretAccessKey, sessionToken } = keys;
    return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
  }

  const write = async (name: string, text: string): Promise<string> => {
    await writeFile(join(directory, name), text);
    return join(directory, name);
  };

  test("are none where there are none", async () => {
    assert.equal(await find({}), undefined);
  });

  test("come from the environment first", async () => {
    const env = { AWS_ACCESS_KEY_ID: "ENV", AWS_SECRET_ACCESS_KEY: "secret-of-ENV", AWS_SESSION_TOKEN: "token-of-ENV" };
    assert.deepEqual(await find({ ...env, AWS_PROFILE: "no-such-profile" }), keysOf("ENV"));
  });

  test("come from a web identity", async () => {
    const tokenFile = await write("token", "the-web-token\n");
    answers = {
      "POST /": (_request, body) => {
        const form = new URLSearchParams(body);
        assert.equal(form.get("Action"), "AssumeRoleWithWebIdentity");
        assert.equal(form.get("WebIdentityToken"), "the-web-token");
        assert.equal(form.get("RoleArn"), "arn:aws:iam::1:role/ci");
        return { body: xml("WEB") };
      },
    };
    const env = { AWS_ROLE_ARN: "arn:aws:iam::1:role/ci", AWS_WEB_IDENTITY_TOKEN_FILE: tokenFile };
    assert.deepEqual(await find(env), keysOf("WEB"));
    answers = { "POST /": { status: 403, body: "<Error><Code>AccessDenied</Code><Message>not you</Message></Error>" } };
    await assert.rejects(find(env), { code: "unauthorized", message: /AccessDenied: not you/ });
  });

  test("come from the shared files: keys, a role of another profile, a program", async () => {
    const config = await write(
      "config",
      `[default]\nregion = x\n[profile role]\nrole_arn = arn:aws:iam::1:role/deploy\nsource_profile = base\n` +
        `[profile program]\ncredential_process = cat ${directory}/printed\n[profile sso]\nsso_start_url = https://x\n` +
        `[profile loop]\nrole_arn = arn:x\nsource_profile = loop2\n[profile loop2]\nrole_arn = arn:y\nsource_profile = loop\n`,
    );
    const credentials = await write(
      "credentials",
      "[default]\naws_access_key_id = FILE # the usual\naws_secret_access_key=secret-of-FILE\naws_session_token = token-of-FILE\n" +
        "[base]\naws_access_key_id = BASE\naws_secret_access_key = secret-of-BASE\n",
    );
    await write(
      "printed",
      JSON.stringify({
        Version: 1,
        AccessKeyId: "PROGRAM",
        SecretAccessKey: "secret-of-PROGRAM",
        SessionToken: "token-of-PROGRAM",
      }),
    );
    const env = { AWS_CONFIG_FILE: config, AWS_SHARED_CREDENTIALS_FILE: credentials };
    assert.deepEqual(await find(env), keysOf("FILE"));
    assert.deepEqual(await find({ ...env, AWS_PROFILE: "program" }), keysOf("PROGRAM"));
    answers = {
      "POST /": ({ method = "", url = "", headers }, body) => {
        const keys = { id: "BASE", secret: "secret-of-BASE" };
        assert.equal(signatureFault({ method, url, headers, body: Buffer.from(body) }, keys), undefined);
        return { body: xml("ROLE") };
      },
    };
    assert.deepEqual(await find({ ...env, AWS_PROFILE: "role" }), keysOf("ROLE"));
    await assert.rejects(find({ ...env, AWS_PROFILE: "sso" }), { code: "unsupported", message: /single sign-on/ });
    await assert.rejects(find({ ...env, AWS_PROFILE: "none" }), { code: "unauthorized", message: /no profile "none"/ });
    await assert.rejects(find({ ...env, AWS_PROFILE: "loop" }), { code: "unauthorized" });
  });

  test("come from the container", async () => {
    answers = {
      "GET /role": ({ headers }) =>
        headers.authorization === "Bearer of-pod" ? { body: json("CONTAINER") } : { status: 401 },
    };
    const tokenFile = await write("pod-token", "Bearer of-pod");
    const env = {
      AWS_CONTAINER_CREDENTIALS_FULL_URI: `${service}/role`,
      AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: tokenFile,
    };
    assert.deepEqual(await find(env), keysOf("CONTAINER"));
    await assert.rejects(find({ AWS_CONTAINER_CREDENTIALS_FULL_URI: `${service}/role` }), { code: "unauthorized" });
    await assert.rejects(find({ AWS_CONTAINER_CREDENTIALS_FULL_URI: "http://elsewhere.example/role" }), {
      code: "unauthorized",
    });
  });

  test("come from the machine, by version 2 of its service", async () => {
    const role = "/latest/meta-data/iam/security-credentials/";
    const withToken =
      (body: string) =>
      ({ headers }: IncomingMessage) =>
        headers["x-aws-ec2-metadata-token"] === "the-token" ? { body } : { status: 401 };
    answers = {
      "PUT /latest/api/token": ({ headers }) =>
        headers["x-aws-ec2-metadata-token-ttl-seconds"] === "21600" ? { body: "the-token" } : { status: 400 },
      [`GET ${role}`]: withToken("builder\n"),
      [`GET ${role}builder`]: withToken(json("MACHINE")),
    };
    const env = { AWS_EC2_METADATA_DISABLED: "false", AWS_EC2_METADATA_SERVICE_ENDPOINT: service };
    assert.deepEqual(await find(env), keysOf("MACHINE"));
    const nowhere = { ...env, AWS_EC2_METADATA_SERVICE_ENDPOINT: "http://127.0.0.1:9" };
    assert.equal(await find(nowhere), undefined);
  });

  test("are looked for once, again before they end, and when the server refuses them", async () => {
    const tokenFile = await write("token", "the-web-token\n");
    let number = 0;
    answers = {
      "POST /": () => ({ body: xml(`WEB${(number += 1)}`, number === 1 ? new Date().toISOString() : LATER) }),
    };
    const env = { AWS_ROLE_ARN: "arn:x", AWS_WEB_IDENTITY_TOKEN_FILE: tokenFile, AWS_ENDPOINT_URL_STS: service };
    using credentials = new AwsCredentials({ region: "eu-west-1", env });
    const both = await Promise.all([credentials.keys(), credentials.keys()]);
    assert.deepEqual(
      both.map((keys) => keys?.accessKeyId),
      ["WEB1", "WEB1"],
    );
    assert.equal((await credentials.keys())?.accessKeyId, "WEB2");
    assert.equal((await credentials.keys())?.accessKeyId, "WEB2");
    credentials.forget("WEB2");
    assert.equal((await credentials.keys())?.accessKeyId, "WEB3");
    assert.equal(asked.length, 3);
  });

  test("files may hold comments, nested settings and keys like those of objects", () => {
    const sections = sectionsOf(
      "; c\n[a]\nx = 1\n\n# y = 2\ns3 =\n  nested = 3\n[__proto__]\nconstructor = z\n[a]\ny=2 ; c\n",
    );
    assert.deepEqual(
      [...(sections.get("a") ?? [])],
      [
        ["x", "1"],
        ["s3", ""],
        ["y", "2"],
      ],
    );
    assert.equal(sections.get("__proto__")?.get("constructor"), "z");
  });
});
