import assert from "node:assert/strict";
import { chmod, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { after, before, suite, test } from "node:test";
import { type Descriptor, type VarveError, isVarveError, parseReference } from "../core/index.ts";
import { temporaryDirectory } from "../io/index.ts";
import { startFaultProxy } from "../../testing/fault-proxy.ts";
import { type TemporaryStore, noise, putImage, temporaryStore } from "../../testing/images.ts";
import { type RegistryServer, TEST_USER, registryMissing, startRegistry } from "../../testing/registry-server.ts";
import { TEST_REFRESH_TOKEN } from "../../testing/token-server.ts";
import {
  ANONYMOUS,
  type Credential,
  type CredentialDelegate,
  type DelegatedTokenRequest,
  Registry,
  dockerCredentials,
  pull,
  push,
  staticCredentials,
} from "./index.ts";

const skip = registryMissing() ?? false;
const basic: Credential = { kind: "basic", ...TEST_USER };
const wrong: Credential = { kind: "basic", username: "varve", password: "hunter2" };

function assertRefused(error: unknown): true {
  assert.ok(isVarveError(error, "unauthorized"), String(error));
  const told = JSON.stringify([error.message, error.hint, error.details, error.stack]);
  assert.doesNotMatch(told, /hunter2|sesame|refresh-me|aHVudGVy|eyJ/);
  return true;
}

let from: TemporaryStore;
let target: Descriptor;

before(async () => {
  from = await temporaryStore();
  target = await putImage(from, { layers: [noise(1000)] });
});
after(() => from[Symbol.asyncDispose]());

function connect(host: string, credential: Credential): Registry {
  return new Registry({ credentials: staticCredentials([[host, credential]]), env: {}, retry: { first: 1 } });
}

suite("a registry with Basic authentication", { skip }, () => {
  let server: RegistryServer;
  before(async () => {
    server = await startRegistry({ auth: "htpasswd" });
  });
  after(() => server[Symbol.asyncDispose]());

  test("the right password works for everything", async () => {
    using registry = connect(server.host, basic);
    await registry.ping(server.host);
    const reference = parseReference(`${server.host}/app:1`);
    await push(registry, [reference], { store: from.store, target });
    await using into = await temporaryStore();
    await pull(registry, reference, { store: into.store, lease: into.lease, platform: "all" });
  });

  for (const credential of [wrong, ANONYMOUS, { kind: "identity-token", token: TEST_REFRESH_TOKEN } as const]) {
    test(`${credential.kind} that is of no use is refused with a hint`, async () => {
      using registry = connect(server.host, credential);
      await assert.rejects(registry.ping(server.host), (error: VarveError) => {
        assert.match(error.hint ?? "", /docker login 127\.0\.0\.1/);
        return assertRefused(error);
      });
      const pushed = push(registry, [parseReference(`${server.host}/app:2`)], { store: from.store, target });
      await assert.rejects(pushed, assertRefused);
    });
  }

  test("Docker's config.json and its helpers are asked", async () => {
    await using home = await temporaryDirectory();
    const config = join(home.path, "config.json");
    const auth = Buffer.from("varve:sesame\0\0").toString("base64");
    const check = async (): Promise<void> => {
      using registry = new Registry({ credentials: dockerCredentials({ directory: home.path }), env: {} });
      await registry.ping(server.host);
    };
    await assert.rejects(check(), assertRefused);
    await writeFile(config, JSON.stringify({ auths: { [`http://${server.host}/v1/`]: { auth } } }));
    await check();
    await writeFile(
      join(home.path, "docker-credential-test"),
      `#!/bin/sh\nread host\n[ "$1 $host" = "get ${server.host}" ] || { echo credentials not found in native keychain; exit 1; }
echo '{"ServerURL":"'"$host"'","Username":"varve","Secret":"sesame"}'\n`,
    );
    await chmod(join(home.path, "docker-credential-test"), 0o755);
    const path = process.env["PATH"];
    process.env["PATH"] = `${home.path}${delimiter}${path}`;
    try {
      await writeFile(config, JSON.stringify({ credHelpers: { [server.host]: "test" } }));
      await check();
      await writeFile(config, JSON.stringify({ credsStore: "test" }));
      await check();
      assert.equal((await dockerCredentials({ directory: home.path })("elsewhere.example", {})).kind, "anonymous");
    } finally {
      process.env["PATH"] = path;
    }
    await writeFile(config, JSON.stringify({ credsStore: "absent" }));
    await assert.rejects(check(), (error: VarveError) => /docker-credential-absent/.test(error.hint ?? ""));
  });

  test("credentials do not follow a redirect to another host", async () => {
    await using elsewhere = await startFaultProxy({
      fault: () => ({ kind: "status", status: 401, headers: { "www-authenticate": 'Basic realm="x"' } }),
    });
    await using front = await startFaultProxy({
      upstream: server.host,
      fault: ({ method, headers }) =>
        method === "GET" && headers.authorization !== undefined
          ? { kind: "status", status: 307, headers: { location: `http://${elsewhere.host}/v2/x?signature=abc` } }
          : undefined,
    });
    using registry = new Registry({
      credentials: staticCredentials([
        [front.host, basic],
        [elsewhere.host, basic],
      ]),
      env: {},
    });
    const read = registry.manifest(parseReference(`${front.host}/app:1`));
    await assert.rejects(read, (error: VarveError) => {
      assert.doesNotMatch(error.message, /signature|abc/);
      return assertRefused(error);
    });
    assert.equal(elsewhere.requests.length, 1);
    assert.equal(elsewhere.requests[0]?.headers.authorization, undefined);
    assert.ok(front.requests.some(({ headers }) => headers.authorization !== undefined));
  });
});

suite("a registry with token authentication", { skip }, () => {
  let server: RegistryServer;
  before(async () => {
    server = await startRegistry({ auth: "token" });
  });
  after(() => server[Symbol.asyncDispose]());

  const questions = (): RegistryServer["tokens"] & object => {
    assert.ok(server.tokens);
    return server.tokens;
  };

  for (const credential of [basic, { kind: "identity-token", token: TEST_REFRESH_TOKEN } as const]) {
    test(`push, mount and pull with ${credential.kind}; one token serves many requests`, async () => {
      using registry = connect(server.host, credential);
      const before = questions().questions.length;
      const first = parseReference(`${server.host}/${credential.kind}/one:1`);
      const second = parseReference(`${server.host}/${credential.kind}/two:1`);
      await push(registry, [first], { store: from.store, target });
      await push(registry, [first], { store: from.store, target });
      const asked = questions().questions.slice(before);
      assert.ok(asked.length <= 2, JSON.stringify(asked));
      assert.ok(
        asked.every(
          ({ method, user }) => user === "varve" && method === (credential.kind === "basic" ? "GET" : "POST"),
        ),
      );
      await push(registry, [second], { store: from.store, target });
      const scopes = questions().questions.at(-1)?.scopes ?? [];
      assert.deepEqual(scopes, [
        `repository:${credential.kind}/one:pull`,
        `repository:${credential.kind}/two:pull,push`,
      ]);
      await using into = await temporaryStore();
      await pull(registry, second, { store: into.store, lease: into.lease, platform: "all" });
    });
  }

  test("a delegate asks the token server itself, and is asked for its own credential by other registries", async () => {
    const asked: DelegatedTokenRequest[] = [];
    const delegate: CredentialDelegate = {
      fetchToken: async (request) => {
        asked.push(request);
        const url = new URL(request.realm);
        for (const scope of request.scopes) url.searchParams.append("scope", scope);
        const login = Buffer.from(`${TEST_USER.username}:${TEST_USER.password}`).toString("base64");
        const response = await fetch(url, { headers: { authorization: `Basic ${login}` } });
        const { token } = (await response.json()) as { token: string };
        return { token, expiresIn: 300 };
      },
      credential: () => Promise.resolve({ kind: "basic", ...TEST_USER }),
    };
    const credential: Credential = { kind: "delegate", delegate };
    using registry = connect(server.host, credential);
    const reference = parseReference(`${server.host}/delegated/app:1`);
    await push(registry, [reference], { store: from.store, target });
    await registry.resolve(reference);
    assert.ok(asked.some(({ scopes }) => scopes.includes("repository:delegated/app:pull,push")));
    const count = asked.length;
    await registry.resolve(reference);
    assert.equal(asked.length, count);
    assert.deepEqual([asked[0]?.service, asked[0]?.realm], ["test-registry", questions().realm]);
    await using other = await startRegistry({ auth: "htpasswd" });
    using plain = connect(other.host, credential);
    await push(plain, [parseReference(`${other.host}/app:1`)], { store: from.store, target });
    const unusable: CredentialDelegate = { ...delegate, fetchToken: async () => ({ token: "a b", expiresIn: 1 }) };
    using broken = connect(server.host, { kind: "delegate", delegate: unusable });
    await assert.rejects(broken.resolve(reference), (error) => isVarveError(error, "remote"));
  });

  test("without credentials, what is public can be read and not written", async () => {
    using owner = connect(server.host, basic);
    const reference = parseReference(`${server.host}/public/app:1`);
    await push(owner, [reference], { store: from.store, target });
    using registry = connect(server.host, ANONYMOUS);
    assert.equal((await registry.resolve(reference)).digest, target.digest);
    const denied = push(registry, [parseReference(`${server.host}/public/app:2`)], { store: from.store, target });
    await assert.rejects(denied, assertRefused);
    await assert.rejects(registry.resolve(parseReference(`${server.host}/private/app:1`)), assertRefused);
  });

  test("a wrong password is refused by the token server, in a clear word", async () => {
    using registry = connect(server.host, wrong);
    const resolved = registry.resolve(parseReference(`${server.host}/public/app:1`));
    await assert.rejects(resolved, (error: VarveError) => {
      assert.match(error.message, /token/);
      return assertRefused(error);
    });
  });

  test("a token that is stale before its time is fetched anew, and not for ever", async () => {
    using registry = connect(server.host, basic);
    const { life } = questions();
    const reference = parseReference(`${server.host}/public/app:1`);
    life.stale = true;
    const before = questions().questions.length;
    await assert.rejects(registry.resolve(reference), assertRefused);
    assert.ok(questions().questions.length - before <= 3);
    life.stale = false;
    await registry.resolve(reference);
  });

  test("many requests at once ask for one token", async () => {
    using registry = connect(server.host, basic);
    const reference = parseReference(`${server.host}/public/app:1`);
    await registry.ping(server.host);
    const before = questions().questions.length;
    await Promise.all(Array.from({ length: 8 }, () => registry.resolve(reference)));
    assert.equal(questions().questions.length - before, 1);
  });
});
