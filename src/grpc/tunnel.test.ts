import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import type { Duplex } from "node:stream";
import { suite, test } from "node:test";
import { serveGrpc } from "../../testing/grpc.ts";
import {
  type BidiCall,
  type Codec,
  GrpcClient,
  GrpcCode,
  GrpcError,
  GrpcServer,
  type Implementation,
  type Method,
  bidiStream,
  invoke,
  invokeBidi,
  tunnel,
  unary,
} from "./index.ts";

const bytes: Codec<Uint8Array> = { encode: (message) => message, decode: (message) => message };
const dial: Method<Uint8Array, Uint8Array> = { service: "t.Tunnels", name: "Dial", request: bytes, response: bytes };
const hash: Method<Uint8Array, Uint8Array> = { ...dial, name: "Hash" };

/** A method that hands out the server's end of each tunnel. */
function tunnels(onTunnel: (duplex: Duplex) => Promise<void>): Implementation {
  return bidiStream(dial, async ({ batches: pieces }, send, call) => {
    call.sendHeaders();
    const duplex = tunnel({ pieces, send, end: () => undefined, cancel: () => undefined });
    await onTunnel(duplex);
  });
}

function clientEnd({ responses, send, end, cancel }: BidiCall<Uint8Array, Uint8Array>): Duplex {
  return tunnel({ pieces: responses.batches, send, end, cancel: () => cancel() });
}

suite("tunnels", () => {
  test("bytes pass both ways, and one direction may end before the other", async () => {
    const implementation = tunnels(async (duplex) => {
      const hasher = createHash("sha256");
      for await (const chunk of duplex.iterator({ destroyOnReturn: false })) hasher.update(chunk);
      duplex.end(hasher.digest());
      await once(duplex, "finish");
    });
    await using served = await serveGrpc(new GrpcServer([implementation]));
    using client = await served.client();
    using call = invokeBidi(client, dial);
    const duplex = clientEnd(call);
    const sent = randomBytes(5_000_001);
    duplex.write(sent.subarray(0, 3));
    duplex.end(sent.subarray(3));
    const got = Buffer.concat(await Array.fromAsync(duplex as AsyncIterable<Buffer>));
    assert.deepEqual(got, createHash("sha256").update(sent).digest());
  });

  test("a client serves inside a call that it made", async () => {
    // As a session does: the server of the outer connection is the client of the inner one.
    const answers = Promise.withResolvers<string[]>();
    const implementation = tunnels(async (duplex) => {
      using inner = new GrpcClient(duplex);
      const large = randomBytes(6_000_000);
      const digests = await Promise.all([large, Buffer.alloc(0)].map((each) => invoke(inner, hash, each)));
      assert.deepEqual(digests[0], createHash("sha256").update(large).digest());
      answers.resolve(digests.map((each) => Buffer.from(each).toString("hex")));
    });
    await using served = await serveGrpc(new GrpcServer([implementation]));
    using client = await served.client();
    await using innerServer = new GrpcServer([
      unary(hash, async (message) => createHash("sha256").update(message).digest()),
    ]);
    using call = invokeBidi(client, dial);
    innerServer.serve(clientEnd(call));
    assert.equal((await answers.promise)[1], createHash("sha256").digest("hex"));
  });

  test("the end of the call ends what is inside it", async () => {
    const inside = Promise.withResolvers<unknown>();
    const implementation = tunnels(async (duplex) => {
      const inner = new GrpcClient(duplex);
      inside.resolve(await invoke(inner, hash, Buffer.alloc(1)).catch((error: unknown) => error));
    });
    await using served = await serveGrpc(new GrpcServer([implementation]));
    using client = await served.client();
    const called = Promise.withResolvers<void>();
    await using innerServer = new GrpcServer([
      unary(hash, async (_message, { signal }) => {
        called.resolve();
        if (!signal.aborted) await once(signal, "abort");
        throw signal.reason;
      }),
    ]);
    using call = invokeBidi(client, dial);
    innerServer.serve(clientEnd(call));
    await called.promise;
    call.cancel();
    const error = await inside.promise;
    assert.ok(error instanceof GrpcError && error.code === GrpcCode.unavailable, String(error));
  });
});
