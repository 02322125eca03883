import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Digest, digestOf } from "../../core/index.ts";
import { parseDockerfile } from "../../dockerfile/index.ts";
import type { BuildEvent } from "../../engine/index.ts";
import { Output } from "../builder/output.ts";
import type { BuildMessage } from "../builder/types.ts";
import { type VertexRanges, engineSteps } from "./steps.ts";
import { Transcript } from "./transcript.ts";

const FILE = `ARG V=1
FROM base AS tools
RUN make tools
FROM base AS unused
RUN false
FROM tools AS named
ENV A=1
FROM base
RUN make app
COPY --from=named /t /t
CMD app
`;
const [BASE, TOOLS, APP, COPY] = ["base", "tools", "app", "copy"].map((name) => digestOf(name)) as [
  Digest,
  Digest,
  Digest,
  Digest,
];
const INPUTS = new Map<Digest, readonly Digest[]>([
  [BASE, []],
  [TOOLS, [BASE]],
  [APP, [BASE]],
  [COPY, [APP, TOOLS]],
]);
const file = parseDockerfile(FILE);

/** The ranges of the vertices that a compiler reports: the line of each vertex, and of FROM those of the stages that are needed. */
const LINES: readonly (readonly [Digest, readonly number[]])[] = [
  [BASE, [2, 8]],
  [TOOLS, [3]],
  [APP, [9]],
  [COPY, [10]],
];
const ranges: VertexRanges = new Map(
  LINES.map(([digest, lines]) => [
    digest,
    lines.map((line) => ({ start: { line, column: 1 }, end: { line, column: 2 } })),
  ]),
);

class Recorder {
  readonly messages: BuildMessage[] = [];
  readonly transcript = new Transcript(new Output((message) => this.messages.push(message), { quiet: false }), {
    explains: true,
  });

  constructor(labels: ReadonlyMap<string, string> = new Map()) {
    this.transcript.begin(engineSteps(file, ranges, { target: undefined, labels }));
    for (const digest of INPUTS.keys()) this.vertex(digest, {});
  }

  vertex(digest: Digest, state: Partial<Extract<BuildEvent, { kind: "vertex" }>>): void {
    this.transcript.event({ kind: "vertex", digest, name: digest, inputs: INPUTS.get(digest) ?? [], ...state });
  }

  log(vertex: Digest, text: string, stream: 1 | 2 = 1): void {
    this.transcript.event({ kind: "log", vertex, stream, data: Buffer.from(text), at: 0 });
  }

  /** The text so far, with short names for vertices. */
  get text(): string {
    const text = this.messages.map((message) => ("stream" in message ? message.stream : "")).join("");
    return text.replaceAll(TOOLS.slice(7, 19), "TOOLS").replaceAll(APP.slice(7, 19), "APP");
  }
}

const STARTED = { startedAt: 1 };
const DONE = { startedAt: 1, completedAt: 2 };
const CACHED = { ...DONE, cached: true };

describe("the transcript of a build by the engine", () => {
  test("steps that run at the same time are written one after the other", () => {
    const seen = new Recorder();
    seen.vertex(BASE, DONE);
    seen.vertex(TOOLS, STARTED);
    seen.vertex(APP, STARTED);
    seen.log(APP, "app 1\n");
    seen.log(TOOLS, "tools 1\n");
    const start =
      "Step 1/9 : ARG V=1\nStep 2/9 : FROM base AS tools\nStep 3/9 : RUN make tools\n ---> Running in TOOLS\n";
    assert.equal(seen.text, `${start}tools 1\n`);
    seen.vertex(APP, DONE);
    seen.log(TOOLS, "tools 2\n", 2);
    seen.vertex(TOOLS, DONE);
    const middle = "Step 4/9 : FROM tools AS named\nStep 5/9 : ENV A=1\nStep 6/9 : FROM base\n";
    const all = `${start}tools 1\n\u001b[91mtools 2\n\u001b[0m${middle}Step 7/9 : RUN make app\n ---> Running in APP\napp 1\n`;
    assert.equal(seen.text, all);
    seen.vertex(COPY, DONE);
    seen.transcript.end();
    assert.equal(seen.text, `${all}Step 8/9 : COPY --from=named /t /t\nStep 9/9 : CMD app\n`);
  });

  test("a step that was not cached says why, if that is known", () => {
    const seen = new Recorder();
    seen.vertex(BASE, DONE);
    const why = { reason: { kind: "pruned" }, text: "its result was removed from the cache" } as const;
    seen.vertex(TOOLS, { ...STARTED, why });
    assert.match(
      seen.text,
      /RUN make tools\n ---> Missed: its result was removed from the cache\n ---> Running in TOOLS\n$/,
    );
  });

  test("vertices that nothing asked for are cached, and labels of the request are steps", () => {
    const seen = new Recorder(new Map([["k", "v"]]));
    seen.vertex(BASE, { ...DONE, resolved: true });
    seen.vertex(COPY, CACHED);
    seen.transcript.end();
    assert.match(seen.text, /Step 3\/10 : RUN make tools\n ---> Using cache\nStep 4/);
    assert.match(seen.text, /Step 7\/10 : RUN make app\n ---> Using cache\nStep 8\/10 : COPY.*\n ---> Using cache\n/);
    assert.match(seen.text, /Step 10\/10 : LABEL k=v\n$/);
  });

  test("after a failure, the failed step is written last and steps that have not begun are left out", () => {
    const seen = new Recorder();
    seen.vertex(BASE, DONE);
    seen.vertex(TOOLS, STARTED);
    seen.vertex(APP, STARTED);
    seen.log(TOOLS, "why\n");
    seen.log(APP, "other\n");
    seen.vertex(TOOLS, { ...DONE, error: "it failed" });
    seen.vertex(APP, { ...DONE, error: "cancelled", cancelled: true });
    assert.equal(seen.transcript.fail(TOOLS)?.text, "RUN make tools");
    assert.match(seen.text, /RUN make tools\n.*\nwhy\nStep 6\/9 : FROM base\nStep 7\/9 : RUN make app\n.*\nother\n$/);
    assert.doesNotMatch(seen.text, /COPY/);
  });

  test("output that is split inside a character is decoded", () => {
    const seen = new Recorder();
    seen.vertex(BASE, DONE);
    seen.vertex(TOOLS, STARTED);
    const bytes = Buffer.from("ü\n");
    for (const data of [bytes.subarray(0, 1), bytes.subarray(1)])
      seen.transcript.event({ kind: "log", vertex: TOOLS, stream: 1, data, at: 0 });
    assert.match(seen.text, /TOOLS\nü\n$/);
  });

  test("the output of a step that waits for its turn is limited", () => {
    const seen = new Recorder();
    seen.vertex(TOOLS, STARTED);
    seen.vertex(APP, STARTED);
    const line = `${"x".repeat(999)}\n`;
    for (let i = 0; i < 3000; i += 1) seen.log(APP, line);
    seen.log(APP, "the end\n");
    seen.vertex(TOOLS, DONE);
    assert.ok(seen.text.length < 2_200_000, String(seen.text.length));
    assert.match(seen.text, /the end\n$/);
  });

  test("the progress of downloads is that of a pull", () => {
    const seen = new Recorder();
    seen.vertex(BASE, STARTED);
    const id = digestOf("layer");
    const status = { kind: "status" as const, vertex: BASE, id, current: 1, total: 2, startedAt: 1 };
    seen.transcript.event(status);
    seen.transcript.event({ ...status, id: `extracting ${id}`, completedAt: 2 });
    const short = id.slice(7, 19);
    assert.deepEqual(seen.messages.slice(-2), [
      { status: "Downloading", progressDetail: { current: 1, total: 2 }, id: short },
      { status: "Pull complete", progressDetail: {}, id: short },
    ]);
  });
});
