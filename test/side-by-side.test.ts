import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { test } from "node:test";
import { completeBuilder, peakMemory } from "../bench/side-by-side/builder.ts";
import { type Row, describeRow, markdownTable, measured } from "../bench/side-by-side/row.ts";
import { describeProfiles } from "../bench/side-by-side/profile.ts";

test("works are measured in turns, each after its preparation", async () => {
  const done: string[] = [];
  const work = (name: string, value: number) => ({
    name,
    value,
    prepare: async () => void (await Promise.resolve(done.push(`prepare ${name}`))),
  });
  const row = await measured({ title: "t", unit: "s" }, 2, [work("a", 1), work("b", 2)], async ({ name, value }) => {
    done.push(name);
    return await Promise.resolve(value);
  });
  assert.deepEqual(done, ["prepare a", "a", "prepare b", "b", "prepare a", "a", "prepare b", "b"]);
  assert.deepEqual(
    [...row.values],
    [
      ["a", [1, 1]],
      ["b", [2, 2]],
    ],
  );
});

test("a ratio is the part of the other's median that Varve takes", () => {
  const row: Row = {
    title: "S4",
    unit: "s",
    values: new Map([
      ["varve", [900, 1000, 9000]],
      ["buildkitd", [4000, 2000, 1000]],
    ]),
  };
  const [title, own, other] = describeRow(row).split("\n");
  assert.equal(title, "S4");
  assert.match(own ?? "", /varve\s+1\.00 s\s+\(0\.90–9\.00\)\s*$/);
  assert.match(other ?? "", /buildkitd\s+2\.00 s\s+\(1\.00–4\.00\)\s+varve takes 0\.50 ×$/);
  const memory: Row = {
    title: "S9",
    unit: "MB",
    values: new Map([
      ["varve", [2e8]],
      ["buildx", [1e8]],
    ]),
  };
  assert.equal(
    markdownTable([row, memory]),
    `| scenario | Varve | Varve / buildkitd | Varve / buildx |
| --- | --- | --- | --- |
| S4 | 1.00 s | 0.50 |  |
| S9 | 200 MB |  | 2.00 |`,
  );
});

test("the peak of memory is that of the command and of the daemon", async () => {
  const hold = "const b = Buffer.alloc(150e6, 1); setTimeout(() => b, 300)";
  const daemon = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
  const parts = {
    name: "test",
    start: () => spawn(process.execPath, ["-e", hold]),
    empty: () => Promise.resolve(),
    small: { version: () => daemon, list: () => daemon },
  };
  try {
    const alone = await peakMemory(completeBuilder({ ...parts, daemon: undefined }), { context: "" });
    assert.ok(alone > 150e6 && alone < 600e6, `${alone}`);
    const both = await peakMemory(completeBuilder({ ...parts, daemon: daemon.pid }), { context: "" });
    assert.ok(both > alone + 10e6, `${both} with a daemon, ${alone} without`);
    const failing = completeBuilder({
      ...parts,
      daemon: undefined,
      start: () => spawn("sh", ["-c", "echo why >&2; exit 3"]),
    });
    await assert.rejects(failing.build({ context: "" }), /test exited with 3:\nwhy/);
  } finally {
    daemon.kill();
  }
});

test("a profile is the shares of processor time, by module of the project and by function", () => {
  const frame = (functionName: string, url = ""): { functionName: string; url: string } => ({ functionName, url });
  const source = (path: string): string => new URL(`../src/${path}`, import.meta.url).href;
  const nodes = [
    { id: 1, callFrame: frame("(root)"), children: [2, 5] },
    { id: 2, callFrame: frame("unpack", source("layer/unpack/unpack.ts")), children: [3, 4] },
    { id: 3, callFrame: frame("openSync", "node:fs") },
    { id: 4, callFrame: frame("load", "node:internal/modules/esm/load") },
    { id: 5, callFrame: frame("(idle)") },
  ];
  const text = describeProfiles([
    { nodes, samples: [2, 3, 5, 4], timeDeltas: [1_000_000, 2_000_000, 9_000_000, 1_000_000] },
    { nodes, samples: [3], timeDeltas: [4_000_000] },
  ]);
  assert.deepEqual(
    text.split("\n").map((line) => line.trim()),
    [
      "8.00 s of 2 threads; by module:",
      "87.5 %  layer/unpack",
      "12.5 %  loading of code",
      "by function:",
      "75.0 %  openSync node:fs",
      "12.5 %  unpack layer/unpack/unpack.ts",
      "12.5 %  load node:internal/modules/esm/load",
    ],
  );
});
