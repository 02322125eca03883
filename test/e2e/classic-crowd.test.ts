import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync, readdirSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { CLASSIC_BASE, ClassicBuilder } from "../../testing/classic-builder.ts";
import { buildsUnavailable } from "../../testing/varve.ts";

const CLIENTS = 50;

interface Left {
  readonly mounts: readonly string[];
  readonly files: readonly string[];
  readonly leases: number;
  readonly steps: readonly string[];
}

function leftBy({ server: { folder, store } }: ClassicBuilder): Left {
  const list = (name: string): string[] => {
    try {
      return readdirSync(join(store.root, name));
    } catch {
      return [];
    }
  };
  const leases = store.state.get<{ count: number }>("SELECT count(*) AS count FROM lease")?.count ?? 0;
  const mounts = readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .filter((line) => line.includes(folder));
  const files = readdirSync(store.contexts.path);
  return { mounts, files, leases, steps: list("run").filter((name) => /^\d+-/.test(name)) };
}

/** A client that goes away after so many bytes of the answer, or stays to the end. Gives what it was told. */
async function client({ server }: ClassicBuilder, body: Buffer, leaveAfter: number | undefined): Promise<string> {
  const asked = request({ socketPath: server.socket, method: "POST", path: "/build?networkmode=none", agent: false });
  asked.end(body);
  let told = "";
  try {
    const [answer] = (await once(asked, "response")) as [AsyncIterable<Uint8Array>];
    for await (const chunk of answer) {
      told += Buffer.from(chunk).toString();
      if (leaveAfter !== undefined && told.length > leaveAfter) asked.destroy();
    }
  } catch {
    // It has left.
  }
  return told;
}

test(
  "of many clients, some of whom leave, nothing is left but images",
  { skip: buildsUnavailable("docker") },
  async () => {
    await using builder = await ClassicBuilder.open();
    const body = (n: number): Promise<Buffer> =>
      builder.archive({
        Dockerfile: `FROM ${CLASSIC_BASE}\nENV SHARED=1\nCOPY x /x\nRUN echo ${n % 10} > /n\nWORKDIR /w\nRUN cat /n /x\n`,
        x: `content ${n % 5}\n`,
      });
    const told = await Promise.all(
      Array.from({ length: CLIENTS }, async (_, n) => {
        const leaves = n % 3 === 0 ? (n * 37) % 900 : undefined;
        return { leaves, text: await client(builder, await body(n), leaves) };
      }),
    );
    for (const { leaves, text } of told) if (leaves === undefined) assert.match(text, /Successfully built/);
    const nothing: Left = { mounts: [], files: [], leases: 0, steps: [] };
    // Ending the last steps of those who left takes its time on a busy machine.
    for (let tries = 1200; tries > 0 && JSON.stringify(leftBy(builder)) !== JSON.stringify(nothing); tries -= 1)
      await sleep(50);
    assert.deepEqual(leftBy(builder), nothing);
    const { blobs, damaged } = await builder.server.store.content.verify();
    assert.ok(blobs > 0);
    assert.deepEqual(damaged, []);
    // Whatever is in the store can be built upon: the images are whole.
    for (let n = 0; n < 10; n += 1)
      assert.match(await client(builder, await body(n), undefined), /Using cache.*Successfully built/s);
  },
);
