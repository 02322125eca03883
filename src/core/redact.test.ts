import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import * as fc from "fast-check";
import { VarveError } from "./error.ts";
import { redact, redactAll, withhold } from "./redact.ts";

test("words stay, whatever they stand beside", () => {
  for (const text of [
    'Cannot read --secret: unexpected key "s"',
    "Cannot run step: secret token: not found",
    "Cannot use secret password: there is no file /run/secrets/password",
    "Cannot log in: password: wrong user name or password",
    "Cannot get a token from auth.example: its answer holds no usable token",
    "unauthorized: authentication required, token: expired",
    "Authorization: Basic credentials are missing, Authorization: Bearer token needed",
    'Authorization: header is missing; WWW-Authenticate: Bearer realm="https://auth.example/token",service="r"',
    "unexpected key 'secret' in 'secret=a', password = empty",
    'failed to process "${TOKEN:?}": TOKEN: parameter not set',
    "RUN --mount=type=secret,id=token,env=TOKEN curl -H 'X-Token: $TOKEN' https://a/?q=1&page=2",
    "FROM docker-image://alpine:3.20@sha256:0123 and oci-layout://dir:v1@sha256:4567",
    "http://localhost:5000/v2/a/manifests/b@sha256:0123, see me@example.com",
    "ssh://git@example.com/a.git, git@example.com:a.git",
    '{"mediaType":"application/json","tokens":3,"secret":true,"key":"value"}',
    "https://a/b?digest=sha256:0123&mount=sha256:45&from=library/token&key=x",
    "a = b; token = c; secrets: 3; Cookie: none",
  ])
    assert.equal(redact(text), text);
});

test("words after a keyword stay", () => {
  const keyword = fc.constantFrom("token", "password", "secret", "authorization", "identitytoken", "Cookie", "auth");
  const separator = fc.constantFrom(": ", "=", " = ", ' "', ":", " ");
  const word = fc.stringMatching(/^[a-z]{1,12}$/);
  fc.assert(
    fc.property(fc.array(fc.tuple(keyword, separator, word), { minLength: 1 }), (parts) => {
      const text = parts.map((part) => part.join("")).join(" ");
      assert.equal(redact(text), text);
    }),
  );
});

test("credentials in URLs, query parameters, fields and headers are taken out", () => {
  for (const [text, clean] of [
    ["GET https://user:pa55@host/x failed", "GET https://***@host/x failed"],
    ["https://ghp_token@github.com/a/b.git#main", "https://***@github.com/a/b.git#main"],
    ["https://user:p@ss@host/x?a@b", "https://***@host/x?a@b"],
    ["fatal: 'https://user:pa/ss@host/x'", "fatal: 'https://***@host/x'"],
    ["https://:password@host", "https://***@host"],
    ["ssh://git:pw@host/x", "ssh://***@host/x"],
    ["proxy socks5://u:p@10.0.0.1:1080", "proxy socks5://***@10.0.0.1:1080"],
    [
      "https://s3/x?X-Amz-Credential=AK/1&X-Amz-Signature=ab12&n=1",
      "https://s3/x?X-Amz-Credential=***&X-Amz-Signature=***&n=1",
    ],
    ["https://az/x?sv=1&sig=a%2Bb%3D", "https://az/x?sv=1&sig=***"],
    ["grant_type=refresh_token&refresh_token=abc&service=x", "grant_type=refresh_token&refresh_token=***&service=x"],
    ["https://a/cb#access_token=abc", "https://a/cb#access_token=***"],
    ['{"token":"abc.def", "access_token": "x\\"y"}', '{"token":"***", "access_token": "***"}'],
    ['{"username":"u","password":"hunter2","auth":"dTpw"}', '{"username":"u","password":"***","auth":"***"}'],
    ["Authorization: Bearer eyJhbGciOi.J9.x", "Authorization: ***"],
    ["Authorization: Basic dXNlcjpwYXNz", "Authorization: ***"],
    ['{"Proxy-Authorization":"Basic dTpwYXNzd29yZA=="}', '{"Proxy-Authorization":"***"}'],
    ["set-cookie: session=0123456789abcdef; path=/", "set-cookie: *** path=/"],
    ["PRIVATE-TOKEN: glpat-0123456789", "PRIVATE-TOKEN: ***"],
  ] as const)
    assert.equal(redact(text), clean);
});

test("known values are taken out in every form they are sent in, as long as somebody uses them", () => {
  const value = fc
    .string({ minLength: 16, maxLength: 40, unit: "grapheme" })
    .filter((text) => text.trim().length >= 16);
  fc.assert(
    fc.property(value, fc.string(), fc.string(), (secret, before, after) => {
      const text = secret.trim();
      const forms = [
        text,
        JSON.stringify(text).slice(1, -1),
        encodeURIComponent(text.toWellFormed()),
        Buffer.from(text).toString("base64"),
      ];
      using first = withhold(secret);
      using _second = withhold(secret);
      first[Symbol.dispose]();
      for (const form of forms) assert.ok(!redact(`${before} ${form} ${after}`).includes(form));
    }),
  );
  const text = "s3cr3t-of-the-step";
  using held = withhold(text);
  assert.equal(redact(`a ${text} b`), "a *** b");
  held[Symbol.dispose]();
  held[Symbol.dispose]();
  assert.equal(redact(`a ${text} b`), `a ${text} b`);
});

test("values that may be a part of any word are not known values; lines of long ones are", () => {
  using _held = withhold("", "a", "1234567", "password", "registry", "-----BEGIN KEY-----\nMIIEpAIBAAKCAQEA\n\nab\n");
  for (const text of ["", "a 1234567 password of the registry", "ab"]) assert.equal(redact(text), text);
  assert.equal(redact("it is MIIEpAIBAAKCAQEA"), "it is ***");
});

test("an error holds no credentials: neither its message nor its details, hint and causes", () => {
  const token = "tok3n-of-the-registry";
  using _held = withhold(token);
  const inner = Object.assign(new TypeError(`${token} refused`), { code: "E", headers: { "x-a": token } });
  const url = `https://u:${token}@host/x`;
  const error = new VarveError("remote", `Cannot ask ${url}`, {
    hint: `not ${token}`,
    details: { host: url, registryCode: token, tries: 1 },
    cause: new AggregateError([inner], "failed", { cause: inner }),
  });
  const shown = inspect(error, { depth: 20 });
  assert.ok(!shown.includes(token) && !String(error.stack).includes(token), shown);
  assert.equal(error.message, "Cannot ask https://***@host/x");
  assert.deepEqual(error.details, { host: "https://***@host/x", registryCode: "***", tries: 1 });
  const cause = error.cause as AggregateError;
  assert.ok(cause instanceof AggregateError && cause.errors[0] instanceof TypeError);
  assert.equal((cause.errors[0] as NodeJS.ErrnoException).code, "E");
  assert.equal(inner.message, `${token} refused`, "the error of others is as it was");
});

test("what holds no credentials stays the same object", () => {
  const secret = withhold("tok3n-in-a-list");
  assert.deepEqual(redactAll({ list: [1, { token: "tok3n-in-a-list" }], bytes: new Uint8Array(1) }), {
    list: [1, { token: "***" }],
    bytes: new Uint8Array(1),
  });
  secret[Symbol.dispose]();
  const details = { a: [{ b: "c" }], d: new Map() };
  assert.equal(redactAll(details), details);
  const cause = new Error("token: expired");
  assert.equal(new VarveError("remote", "x", { cause }).cause, cause);
});
