import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { describe, test } from "node:test";
import { messagesOf, startDockerServer } from "../../../testing/docker-server.ts";
import { VarveError } from "../../core/index.ts";
import { digestBytes } from "../../io/index.ts";
import type { ClassicBuild } from "./build-request.ts";

/** Tests the stream of a build with a fake builder. */
describe("the stream of a build", () => {
  test("the request's body is the context for any content type (E7, E8)", async () => {
    const seen: unknown[] = [];
    const classicBuild: ClassicBuild = async ({ context, tags, remove }, emit) => {
      seen.push([(await digestBytes(context)).size, tags, remove]);
      emit({ stream: "Step 1/1 : FROM scratch" });
      emit({ stream: "\n" });
      emit({ aux: { ID: "sha256:1" } });
    };
    await using server = await startDockerServer({ classicBuild });
    const types = [
      {},
      { "content-type": "application/x-www-form-urlencoded" },
      { "content-type": "application/json", "content-encoding": "gzip" },
    ];
    for (const headers of types) {
      const answer = await server.ask("POST", "/v1.41/build?t=a&rm=0", { body: "t=b&rm=1", headers });
      assert.equal(
        answer.text,
        '{"stream":"Step 1/1 : FROM scratch"}\r\n{"stream":"\\n"}\r\n{"aux":{"ID":"sha256:1"}}\r\n',
      );
      assert.deepEqual(
        [answer.status, answer.headers["content-type"], answer.headers["transfer-encoding"]],
        [200, "application/json", "chunked"],
      );
    }
    assert.deepEqual(
      seen,
      types.map(() => [8, ["a"], "never"]),
    );
    await server.ask("POST", "/build?remote=http://x", { body: "ignored" });
    assert.deepEqual(seen.at(-1), [0, [], "on-success"]);
  });

  test("an error before the first message sets the status, a later one is the last message (E11, E12)", async () => {
    const classicBuild: ClassicBuild = async ({ dockerfile }, emit) => {
      await Promise.resolve();
      if (dockerfile === "bad") throw new VarveError("invalid-build", "Cannot build: line 3");
      emit({ stream: "Step" });
      throw new VarveError("step-failed", "Cannot build: it returned 7", { details: { exitCode: 7 } });
    };
    await using server = await startDockerServer({ classicBuild });
    const early = await server.ask("POST", "/build?dockerfile=bad", { body: Buffer.alloc(3_000_000) });
    assert.deepEqual([early.status, early.text], [400, '{"message":"Cannot build: line 3"}\n']);
    const late = await server.ask("POST", "/build", { body: Buffer.alloc(3_000_000) });
    assert.equal(late.status, 200);
    assert.deepEqual(messagesOf(late).at(-1), {
      errorDetail: { code: 7, message: "Cannot build: it returned 7" },
      error: "Cannot build: it returned 7",
    });
    const { code, stderr } = await server.docker(["build", "-"], { input: "FROM scratch\n" });
    assert.deepEqual([code, stderr.includes("it returned 7")], [7, true]);
  });

  test("a client that disconnects cancels the build, and the server waits for it to end", async () => {
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
    const { promise: ended, resolve: end } = Promise.withResolvers<unknown>();
    const classicBuild: ClassicBuild = async (_request, emit, signal) => {
      emit({ stream: "Step" });
      begin();
      await once(signal, "abort");
      end((signal.reason as VarveError).code);
    };
    await using server = await startDockerServer({ classicBuild });
    const socket = connect(server.socket);
    socket.write("POST /build HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    await begun;
    socket.destroy();
    assert.equal(await ended, "cancelled");
  });

  test("a client that reads nothing cancels a build with much output", async () => {
    const { promise: ended, resolve: end } = Promise.withResolvers<boolean>();
    const classicBuild: ClassicBuild = async (_request, emit, signal) => {
      const line = "x".repeat(1_000_000);
      for (let i = 0; i < 1000 && !signal.aborted; i += 1) {
        emit({ stream: line });
        await new Promise(setImmediate);
      }
      end(signal.aborted);
    };
    await using server = await startDockerServer({ classicBuild });
    const socket = connect(server.socket);
    socket.pause();
    socket.write("POST /build HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    assert.equal(await ended, true);
    socket.destroy();
  });
});
