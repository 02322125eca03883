import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { type BuildkitDaemon, buildkitDaemon, driveBuild, encoded } from "../../../testing/buildkit-daemon.ts";
import { noise, putImage, temporaryStore } from "../../../testing/images.ts";
import { recordsMissing } from "../../../testing/records.ts";
import { TEST_USER, registryMissing, startRegistry } from "../../../testing/registry-server.ts";
import { healthy, openSession } from "../../../testing/session-client.ts";
import { servedDirectories } from "../../../testing/session-files.ts";
import { parseReference } from "../../core/index.ts";
import {
  type GrpcClient,
  type Implementation,
  bidiStream,
  invoke,
  invokeServerStream,
  unary,
} from "../../grpc/index.ts";
import { type State, http, image, local } from "../../llb/index.ts";
import { Registry, push } from "../../registry/index.ts";
import { Auth } from "./proto/gen/auth_pb.ts";
import { Control } from "./proto/gen/control_pb.ts";
import { LLBBridge } from "./proto/gen/gateway_pb.ts";
import { Secrets } from "./proto/gen/secrets_pb.ts";
import { called, served } from "./proto/methods.ts";
import { fileSyncMethod } from "./session/files.ts";

/** A service that is asked, and does not answer until its call ends. */
interface Stalled {
  readonly asked: Promise<void>;
  readonly wait: (call: { readonly signal: AbortSignal }) => Promise<never>;
}

function stalled(): Stalled {
  const { promise, resolve } = Promise.withResolvers<void>();
  return {
    asked: promise,
    wait: async ({ signal }) => {
      resolve();
      const ended = Promise.withResolvers<never>();
      signal.addEventListener("abort", () => ended.reject(new Error("the call has ended")), { once: true });
      return await ended.promise;
    },
  };
}

interface Shared {
  readonly graph: State;
  /** A file of the result. */
  readonly path: string;
}

/** Builds in the session of a client with these services, and reads the file. Calls `onStarted` when a vertex has started. */
async function read(
  client: GrpcClient,
  services: readonly Implementation[],
  { graph, path }: Shared,
  onStarted: () => void,
): Promise<string> {
  await using session = openSession(client, [...services, healthy]);
  const build = await driveBuild(client, { session: session.id });
  const watching = (async () => {
    for await (const { vertexes } of invokeServerStream(client, called(Control.method.status), { ref: build.ref }))
      if (vertexes.some(({ started }) => started !== undefined)) onStarted();
  })();
  watching.catch(() => undefined);
  const request = { definition: encoded(graph), allowResultReturn: true, allowResultArrayRef: true };
  const { result } = await invoke(client, called(LLBBridge.method.solve), request, build.call);
  assert.ok(result?.result.case === "ref");
  const file = { ref: result.result.value.id, filePath: path };
  const { data } = await invoke(client, called(LLBBridge.method.readFile), file, build.call);
  await build.return();
  await watching;
  return Buffer.from(data).toString();
}

suite("a vertex that two builds share", { skip: recordsMissing() ?? false }, () => {
  let daemon: BuildkitDaemon;
  before(async () => void (daemon = await buildkitDaemon()));
  after(async () => await daemon[Symbol.asyncDispose]());

  /** The first client is asked and vanishes. The second one, which has joined meanwhile, gets the file. */
  async function goesOn(
    shared: Shared,
    first: (stall: Stalled) => Implementation,
    second: Implementation,
  ): Promise<string> {
    const stall = stalled();
    const vanishing = await daemon.grpc.client();
    using staying = await daemon.grpc.client();
    const failed = assert.rejects(read(vanishing, [first(stall)], shared, () => undefined));
    await stall.asked;
    const joined = Promise.withResolvers<void>();
    const text = read(staying, [second], shared, joined.resolve);
    text.catch(() => undefined);
    await joined.promise;
    vanishing.close();
    await failed;
    return await text;
  }

  test("has the directory of the client that stays", async () => {
    const directory = join(daemon.folder, "context");
    await mkdir(directory);
    writeFileSync(join(directory, "f"), "from the second");
    const stalling = ({ wait }: Stalled): Implementation =>
      bidiStream(fileSyncMethod, async (_packets, _send, call) => await wait(call));
    const shared = { graph: local("context"), path: "/f" };
    assert.equal(
      await goesOn(shared, stalling, servedDirectories(new Map([["context", directory]]))),
      "from the second",
    );
  });

  test("has the secret of the client that stays", async () => {
    const server = createServer(({ headers }, response) => response.end(headers.authorization));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    using _server = { [Symbol.dispose]: () => void server.close() };
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/f`;
    const secret = served(Secrets.method.getSecret);
    const stalling = ({ wait }: Stalled): Implementation => unary(secret, async (_request, call) => await wait(call));
    const answering = unary(
      secret,
      async ({ id }) => await Promise.resolve({ data: Buffer.from(`the second's ${id}`) }),
    );
    const shared = { graph: http(url, { filename: "f", authHeaderSecret: "key" }), path: "/f" };
    assert.equal(await goesOn(shared, stalling, answering), "the second's key");
  });

  test("is fetched with the credentials of the client that stays", { skip: registryMissing() ?? false }, async () => {
    await using server = await startRegistry({ auth: "htpasswd" });
    const name = `${server.host}/team/private:1`;
    {
      await using made = await temporaryStore();
      const target = await putImage(made, { layers: [noise(1000)] });
      using registry = new Registry({
        credentials: async () => await Promise.resolve({ kind: "basic", ...TEST_USER }),
      });
      await push(registry, [parseReference(name)], { store: made.store, target });
    }
    const credentials = served(Auth.method.credentials);
    const stalling = ({ wait }: Stalled): Implementation =>
      unary(credentials, async (_request, call) => await wait(call));
    const { username, password: secret } = TEST_USER;
    const answering = unary(credentials, async () => await Promise.resolve({ username, secret }));
    // The layer is no archive. Unpacking it fails, after it was fetched.
    await assert.rejects(goesOn({ graph: image(name), path: "/f" }, stalling, answering), (error) => {
      assert.doesNotMatch(String(error), /unauthorized|401|log in|cancel/);
      return true;
    });
  });
});
