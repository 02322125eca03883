import assert from "node:assert/strict";
import { once } from "node:events";
import { chmod, stat } from "node:fs/promises";
import { connect } from "node:net";
import { suite, test } from "node:test";
import { withSession } from "../../../../testing/session-daemon.ts";
import { Limits } from "../../../core/index.ts";
import { GrpcCode, GrpcError, bidiStream, unary } from "../../../grpc/index.ts";
import { bytesMethod } from "../proto/bytes-message.ts";
import { Exporter } from "../proto/gen/exporter_pb.ts";
import { PolicyAction } from "../proto/gen/policy_pb.ts";
import { PolicyVerifier } from "../proto/gen/policysession_pb.ts";
import { Secrets } from "../proto/gen/secrets_pb.ts";
import { SSH } from "../proto/gen/ssh_pb.ts";
import { Upload } from "../proto/gen/upload_pb.ts";
import { served } from "../proto/methods.ts";
import { findExporters, finalizeExport } from "./exporters.ts";
import { checkPolicy } from "./policy.ts";
import { getSecret } from "./secrets.ts";
import { checkAgent, forwardAgent } from "./ssh.ts";
import { UPLOAD_HOST, pullUpload } from "./upload.ts";

test("secrets: a value, an empty one, none, too much, an error", async () => {
  const secrets = unary(served(Secrets.method.getSecret), async ({ id }) => {
    if (id === "none") throw new GrpcError(GrpcCode.notFound, "no such secret");
    if (id === "broken") throw new Error("cannot read it");
    return { data: id === "large" ? Buffer.alloc(Limits.secret + 1) : Buffer.from(id === "empty" ? "" : "value") };
  });
  await withSession([secrets], async (session) => {
    assert.equal(Buffer.from((await getSecret(session, "a")) ?? "").toString(), "value");
    assert.equal((await getSecret(session, "empty"))?.length, 0);
    assert.equal(await getSecret(session, "none"), undefined);
    await assert.rejects(getSecret(session, "large"), { code: "limit-exceeded" });
    await assert.rejects(getSecret(session, "broken"), { code: GrpcCode.unknown, message: "cannot read it" });
  });
  await withSession([], async (session) => assert.equal(await getSecret(session, "a"), undefined));
});

suite("agents", () => {
  test("are checked by id", async () => {
    const asked: string[] = [];
    const check = unary(served(SSH.method.checkAgent), async ({ id }) => {
      asked.push(id);
      if (id !== "default") throw new GrpcError(GrpcCode.unknown, `unset ssh forward key ${id}`);
      return {};
    });
    await withSession([check], async (session) => {
      await checkAgent(session, "");
      await assert.rejects(checkAgent(session, "customID"), { message: "unset ssh forward key customID" });
      assert.deepEqual(asked, ["default", "customID"]);
    });
    await withSession([], async (session) => {
      const message = 'no SSH key "x" forwarded from the client';
      await assert.rejects(checkAgent(session, "x"), { code: GrpcCode.unknown, message });
    });
  });

  test("answer on a socket, each connection in a call, with one direction closed before the other", async () => {
    const ids: (string | undefined)[] = [];
    const agent = bidiStream(bytesMethod(SSH.method.forwardAgent), async (pieces, send, { metadata }) => {
      ids.push(metadata.get("buildkit.ssh.id"));
      await send(Buffer.from("hello "));
      let text = "";
      for await (const piece of pieces) text += Buffer.from(piece).toString();
      await send(Buffer.from(text.toUpperCase()));
    });
    await withSession([agent], async (session) => {
      let path = "";
      {
        await using forwarded = await forwardAgent(session, "");
        ({ path } = forwarded);
        await chmod(path, 0o600);
        const ask = async (text: string): Promise<string> => {
          const socket = connect({ path, allowHalfOpen: true });
          socket.end(text);
          let answer = "";
          for await (const chunk of socket) answer += (chunk as Buffer).toString();
          return answer;
        };
        const large = "x".repeat(1_000_000);
        assert.deepEqual(await Promise.all([ask("one"), ask(""), ask(large)]), [
          "hello ONE",
          "hello ",
          `hello ${large.toUpperCase()}`,
        ]);
        assert.deepEqual(ids, ["default", "default", "default"]);
      }
      await assert.rejects(stat(path), { code: "ENOENT" });
    });
  });

  test("end their connections with the session, and when the client refuses", async () => {
    const refusing = bidiStream(bytesMethod(SSH.method.forwardAgent), () => Promise.reject(new Error("no agent")));
    await withSession([refusing], async (session) => {
      await using forwarded = await forwardAgent(session, "a");
      const socket = connect(forwarded.path);
      socket.on("error", () => undefined);
      socket.resume();
      await once(socket, "close");
    });
    const waiting = bidiStream(bytesMethod(SSH.method.forwardAgent), async (pieces, send) => {
      await send(Buffer.from("x"));
      for await (const _ of pieces);
    });
    await withSession([waiting], async (session, client) => {
      await using forwarded = await forwardAgent(session, "a");
      const socket = connect(forwarded.path);
      socket.on("error", () => undefined);
      await once(socket, "data");
      client.close();
      await once(socket, "close");
    });
  });
});

test("uploads are pulled by path and host", async () => {
  const upload = bidiStream(bytesMethod(Upload.method.pull), async (_pieces, send, { metadata }) => {
    await send(Buffer.from(`${metadata.get("urlhost")}${metadata.get("urlpath")} `));
    for (let count = 0; count < 3; count += 1) await send(Buffer.alloc(100_000, "x"));
  });
  await withSession([upload], async (session) => {
    const url = new URL(`http://${UPLOAD_HOST}/some-id`);
    const text = Buffer.concat(await Array.fromAsync(pullUpload(session, url))).toString();
    assert.equal(text, `buildkit-session/some-id ${"x".repeat(300_000)}`);
  });
});

test("exporters are found and finished by clients that know of them", async () => {
  const finished: Record<string, string>[] = [];
  const exporters = [
    unary(served(Exporter.method.findExporters), async ({ metadata, refs }) => ({
      exporters: [{ type: "local", attrs: { a: Buffer.from(metadata["key"] ?? "").toString(), refs: refs.join() } }],
    })),
    unary(served(Exporter.method.finalizeExport), async ({ exporterResponse }) => {
      finished.push(exporterResponse);
      return {};
    }),
  ];
  const result = { metadata: { key: Buffer.from("value") }, refs: ["1", "2"] };
  await withSession(exporters, async (session) => {
    const [found] = await findExporters(session, result);
    assert.deepEqual([found?.type, found?.attrs], ["local", { a: "value", refs: "1,2" }]);
    await finalizeExport(session, { digest: "x" });
    assert.deepEqual(finished, [{ digest: "x" }]);
  });
  await withSession([], async (session) => {
    assert.deepEqual(await findExporters(session, result), []);
    await finalizeExport(session, {});
    session.client.close();
    await assert.rejects(findExporters(session, result), { code: GrpcCode.unavailable });
  });
  const broken = unary(served(Exporter.method.findExporters), () => Promise.reject(new Error("no")));
  await withSession([broken], async (session) => {
    await assert.rejects(findExporters(session, result), { message: "no" });
  });
});

test("a policy is asked about a source", async () => {
  const verifier = unary(served(PolicyVerifier.method.checkPolicy), async ({ source }) => {
    const identifier = source?.source?.identifier;
    if (identifier === "docker-image://x")
      return { result: { case: "request" as const, value: { source: { identifier } } } };
    return { result: { case: "decision" as const, value: { action: PolicyAction.DENY } } };
  });
  await withSession([verifier], async (session) => {
    const ask = async (identifier: string): Promise<string | undefined> =>
      (await checkPolicy(session, { source: { source: { identifier } } })).result.case;
    assert.deepEqual([await ask("docker-image://x"), await ask("git://x")], ["request", "decision"]);
  });
});
