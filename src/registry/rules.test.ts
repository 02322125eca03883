import assert from "node:assert/strict";
import { suite, test } from "node:test";
import * as fc from "fast-check";
import { isVarveError } from "../core/index.ts";
import { hostOfKey, keysOfHost, staticCredentials } from "./auth/credentials.ts";
import { credentialOf } from "./auth/docker-config.ts";
import { pullEndpoints } from "./transport/endpoint.ts";
import { parseRegistryConfig } from "./transport/parse-config.ts";
import { covers, formatScope, mergeScopes, parseScopes, repositoryScope } from "./auth/scope.ts";

suite("scopes", () => {
  test("are merged by resource and written alike, whatever their order", () => {
    const scopes = [
      repositoryScope("b", "push"),
      repositoryScope("a:1", "pull"),
      repositoryScope("b", "pull"),
      ...parseScopes("registry:catalog:* nonsense repository(plugin):x:pull"),
    ];
    const expected = [
      "registry:catalog:*",
      "repository(plugin):x:pull",
      "repository:a:1:pull",
      "repository:b:pull,push",
    ];
    fc.assert(
      fc.property(fc.shuffledSubarray(scopes, { minLength: scopes.length }), (shuffled) => {
        assert.deepEqual(mergeScopes(shuffled).map(formatScope).toSorted(), expected);
      }),
    );
    assert.deepEqual(parseScopes(expected.join(" ")).map(formatScope), expected);
  });

  test("a token covers what is a part of it", () => {
    const held = [repositoryScope("a", "pull", "push")];
    assert.ok(covers(held, [repositoryScope("a", "pull")]));
    assert.ok(covers(held, []));
    assert.ok(!covers(held, [repositoryScope("a", "delete")]));
    assert.ok(!covers(held, [repositoryScope("a", "pull"), repositoryScope("b", "pull")]));
  });
});

suite("credentials", () => {
  test("are found under every name of Docker's registry", async () => {
    const names = ["https://index.docker.io/v1/", "docker.io", "index.docker.io", "registry-1.docker.io"];
    for (const name of names) {
      assert.equal(hostOfKey(name), "docker.io");
      const source = staticCredentials([[name, { kind: "bearer", token: "x" }]]);
      assert.equal((await source("docker.io", {})).kind, "bearer");
      assert.equal((await source("example.com", {})).kind, "anonymous");
    }
    assert.equal(keysOfHost("docker.io")[0], "https://index.docker.io/v1/");
    assert.deepEqual(keysOfHost("r:5000"), ["r:5000", "https://r:5000", "http://r:5000"]);
  });

  test("are read from each form of an entry", () => {
    const encode = (text: string): string => Buffer.from(text).toString("base64");
    assert.deepEqual(credentialOf({ auth: encode("u:p:q\0\0") }), { kind: "basic", username: "u", password: "p:q" });
    assert.deepEqual(credentialOf({ username: "u", password: "p" }), { kind: "basic", username: "u", password: "p" });
    assert.deepEqual(credentialOf({ auth: encode("u:"), identitytoken: "t" }), { kind: "identity-token", token: "t" });
    assert.deepEqual(credentialOf({ registrytoken: "t" }), { kind: "bearer", token: "t" });
    for (const none of [{}, { auth: "" }, { auth: encode("x") }, { auth: encode(":p") }]) {
      assert.deepEqual(credentialOf(none), { kind: "anonymous" });
    }
  });
});

suite("configuration", () => {
  test("is checked, and the wrong field named", () => {
    const good = {
      registries: { "r:5000": { mirrors: ["m"], insecure: true, ca: "/x", cert: "/c", key: "/k" }, r: {} },
    };
    assert.deepEqual(parseRegistryConfig(good), good);
    for (const [wrong, where] of [
      [{ registries: { r: { mirror: [] } } }, /registries\.r/],
      [{ registries: { r: { mirrors: "m" } } }, /registries\.r\.mirrors/],
      [{ registries: { r: { cert: "/c" } } }, /cert and key/],
      [{}, /registries/],
      [null, /Cannot read/],
    ] as const) {
      assert.throws(
        () => parseRegistryConfig(wrong),
        (error) => isVarveError(error, "invalid-argument") && where.test(error.message),
      );
    }
  });

  test("says where to go, and how", () => {
    const config = {
      registries: {
        "docker.io": { mirrors: ["m.example", "http://n.example:5000/prefix/v2/"] },
        "m.example": { insecure: true },
        "p.example": { http: true },
      },
    };
    const told = (registry: string): string[] =>
      pullEndpoints(config, registry).map(
        ({ scheme, host, prefix, mirrorOf }) => `${scheme} ${host}${prefix} ${mirrorOf}`,
      );
    assert.deepEqual(told("docker.io"), [
      "https-then-http m.example docker.io",
      "http n.example:5000/prefix docker.io",
      "https registry-1.docker.io undefined",
    ]);
    assert.deepEqual(told("p.example"), ["http p.example undefined"]);
    assert.deepEqual(told("localhost:5000"), ["http-then-https localhost:5000 undefined"]);
    assert.deepEqual(told("constructor"), ["https constructor undefined"]);
  });
});
