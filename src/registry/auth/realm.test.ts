import assert from "node:assert/strict";
import { test } from "node:test";
import { isVarveError } from "../../core/index.ts";
import { maySendSecret, realmOf } from "./realm.ts";

test("secrets go to token servers over TLS, or as openly as to the registry itself, and never from TLS to plain HTTP", () => {
  const isPlain = (host: string): boolean => host === "plain.example:81";
  for (const [registry, realm, allowed] of [
    ["https://r.example/v2/", "https://r.example/token", true],
    ["https://r.example/v2/", "https://auth.elsewhere.example/token", true],
    ["https://r.example/v2/", "http://r.example/token", false],
    ["https://r.example/v2/", "http://auth.example/token", false],
    ["https://r.example/v2/", "http://plain.example:81/token", false],
    ["https://r.example/v2/", "http://127.0.0.1:5001/token", false],
    ["https://127.0.0.1:5000/v2/", "http://localhost:5001/token", false],
    ["http://localhost:5000/v2/", "http://127.0.0.1:5001/token", true],
    ["http://localhost:5000/v2/", "http://[::1]/token", true],
    ["http://localhost:5000/v2/", "http://auth.example/token", false],
    ["http://localhost:5000/v2/", "https://auth.example/token", true],
    ["http://r.example/v2/", "http://r.example:8080/token", true],
    ["http://r.example/v2/", "http://auth.r.example/token", false],
    ["http://r.example/v2/", "http://plain.example:81/token", true],
    ["http://r.example/v2/", "http://plain.example/token", false],
  ] as const)
    assert.equal(
      maySendSecret({ registry: new URL(registry), realm: new URL(realm), isPlain }),
      allowed,
      `${registry} ${realm}`,
    );
});

test("a realm is an HTTP URL and no more", () => {
  const of = (realm: string): URL => realmOf({ scheme: "bearer", parameters: new Map([["realm", realm]]) }, "r");
  assert.equal(of("https://auth.example/token?a=b#c").href, "https://auth.example/token?a=b");
  for (const realm of ["", "token", "ftp://h/", "file:///etc/passwd", "http://u@h/", "https://u:p@h/", "https://:p@h/"])
    assert.throws(
      () => of(realm),
      (error) => isVarveError(error, "remote") && !error.message.includes("u:p"),
      realm,
    );
});
