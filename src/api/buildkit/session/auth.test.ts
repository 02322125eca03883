import assert from "node:assert/strict";
import { type KeyObject, generateKeyPairSync, sign } from "node:crypto";
import { suite, test } from "node:test";
import { type TemporaryStore, noise, putImage, temporaryStore } from "../../../../testing/images.ts";
import { TEST_USER, registryMissing, startRegistry } from "../../../../testing/registry-server.ts";
import { withSession } from "../../../../testing/session-daemon.ts";
import { type Descriptor, parseReference } from "../../../core/index.ts";
import { GrpcCode, GrpcError, type Implementation, unary } from "../../../grpc/index.ts";
import { type Credential, Registry, push } from "../../../registry/index.ts";
import { Auth } from "../proto/gen/auth_pb.ts";
import { served } from "../proto/methods.ts";
import { sessionCredentials } from "./auth.ts";
import type { ClientSession } from "./client-session.ts";
import { ownsKey, tokenAuthority } from "./token-authority.ts";

const hosts = new Map([
  ["registry-1.docker.io", { username: "hub", secret: "pass" }],
  ["identity.test", { secret: "token" }],
]);
const credentials = unary(served(Auth.method.credentials), async ({ host }) => {
  if (host === "broken.test") throw new GrpcError(GrpcCode.unknown, "helper failed");
  return hosts.get(host) ?? {};
});

function authority(keys: { publicKey: KeyObject; privateKey: KeyObject }, tamper = false): Implementation[] {
  const { x = "" } = keys.publicKey.export({ format: "jwk" });
  return [
    unary(served(Auth.method.getTokenAuthority), async () => ({ publicKey: Buffer.from(x, "base64url") })),
    unary(served(Auth.method.verifyTokenAuthority), async ({ payload, salt }) => {
      assert.deepEqual([payload.length, salt.length], [32, 32]);
      const signature = sign(null, payload, keys.privateKey);
      return { signed: Buffer.concat([signature, tamper ? Buffer.alloc(32) : payload]) };
    }),
  ];
}

suite("credentials of the client", () => {
  test("by host, under the name that clients use", async () => {
    await withSession([credentials], async (session) => {
      const of = async (host: string): Promise<Credential> => await sessionCredentials(session)(host, {});
      assert.deepEqual(await of("docker.io"), { kind: "basic", username: "hub", password: "pass" });
      assert.deepEqual(await of("identity.test"), { kind: "identity-token", token: "token" });
      assert.deepEqual(await of("other.test"), { kind: "anonymous" });
      await assert.rejects(of("broken.test"), { code: "unauthorized", message: /helper failed/ });
    });
    await withSession([], async (session) => {
      assert.deepEqual(await sessionCredentials(session)("docker.io", {}), { kind: "anonymous" });
    });
  });

  test("that the client keeps, because it gets tokens itself", async () => {
    const asked: unknown[] = [];
    const fetchToken = unary(served(Auth.method.fetchToken), async (request) => {
      const { clientId, host, realm, service, scopes } = request;
      asked.push({ clientId, host, realm, service, scopes });
      if (request.host !== "registry-1.docker.io") throw new GrpcError(GrpcCode.unknown, "wrong password");
      return { token: "t", issuedAt: BigInt(Math.floor(Date.now() / 1000) - 100), expiresIn: 1000n };
    });
    const keys = generateKeyPairSync("ed25519");
    await withSession([credentials, fetchToken, ...authority(keys)], async (session) => {
      const delegateOf = async (host: string): Promise<Credential & { kind: "delegate" }> => {
        const credential = await sessionCredentials(session)(host, {});
        assert.ok(credential.kind === "delegate");
        return credential;
      };
      const request = { realm: "http://realm.test/token", service: "s", scopes: ["repository:a:pull", "b"] };
      const { delegate } = await delegateOf("docker.io");
      const { token, expiresIn } = await delegate.fetchToken(request, {});
      assert.equal(token, "t");
      assert.ok(expiresIn > 800 && expiresIn <= 901, String(expiresIn));
      assert.deepEqual(asked, [{ ...request, clientId: "buildkit-client", host: "registry-1.docker.io" }]);
      assert.deepEqual(await delegate.credential({}), { kind: "basic", username: "hub", password: "pass" });
      const refused = (await delegateOf("other.test")).delegate.fetchToken(request, {});
      await assert.rejects(refused, { code: "unauthorized", message: /wrong password/ });
    });
  });
});

suite("the key of a user", () => {
  const keys = generateKeyPairSync("ed25519");
  const isOwner = async (session: ClientSession, key: Uint8Array | undefined): Promise<boolean> =>
    await ownsKey(session, "host.test", key ?? Buffer.alloc(0));

  test("is proved by a signature", async () => {
    let key: Uint8Array | undefined;
    await withSession(authority(keys), async (session) => {
      key = await tokenAuthority(session, "host.test");
      assert.equal(key?.length, 32);
      assert.equal(await isOwner(session, key), true);
      assert.equal(await isOwner(session, key?.subarray(1)), false);
    });
    await withSession(authority(generateKeyPairSync("ed25519")), async (other) => {
      assert.equal(await isOwner(other, key), false);
    });
    await withSession(authority(keys, true), async (session) => assert.equal(await isOwner(session, key), false));
  });

  test("is missing where the client has none, or keeps it", async () => {
    await withSession([], async (session) => {
      assert.equal(await tokenAuthority(session, "host.test"), undefined);
      assert.equal(await isOwner(session, Buffer.alloc(32)), false);
    });
    const disabled = new GrpcError(GrpcCode.unavailable, "disabled");
    const keeping = unary(served(Auth.method.getTokenAuthority), async () => await Promise.reject(disabled));
    await withSession([keeping], async (session) => {
      assert.equal(await tokenAuthority(session, "host.test"), undefined);
    });
    const short = unary(served(Auth.method.getTokenAuthority), async () => ({ publicKey: Buffer.alloc(31) }));
    await withSession([short], async (session) => {
      await assert.rejects(tokenAuthority(session, "host.test"), { message: "invalid pubkey length 31" });
    });
  });
});

test("a push with the client's token", { skip: registryMissing() ?? false }, async () => {
  await using server = await startRegistry({ auth: "token" });
  await using from: TemporaryStore = await temporaryStore();
  const target: Descriptor = await putImage(from, { layers: [noise(1000)] });
  const fetchToken = unary(served(Auth.method.fetchToken), async ({ realm, scopes }) => {
    const url = new URL(realm);
    for (const scope of scopes) url.searchParams.append("scope", scope);
    const login = Buffer.from(`${TEST_USER.username}:${TEST_USER.password}`).toString("base64");
    const response = await fetch(url, { headers: { authorization: `Basic ${login}` } });
    return (await response.json()) as { token: string };
  });
  await withSession([fetchToken, ...authority(generateKeyPairSync("ed25519"))], async (session) => {
    using registry = new Registry({ credentials: sessionCredentials(session), env: {} });
    const reference = parseReference(`${server.host}/app:1`);
    await push(registry, [reference], { store: from.store, target });
    assert.equal((await registry.resolve(reference)).digest, target.digest);
  });
});
