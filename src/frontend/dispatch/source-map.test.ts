import assert from "node:assert/strict";
import { test } from "node:test";
import { build, type Built, imageConfig } from "../../../testing/dockerfile-host.ts";

/** Lines of each step's instructions, by the end of its name. */
function linesOf({ vertices, names, sources }: Built): Record<string, readonly number[] | undefined> {
  const lines = vertices.map(({ digest }, index) => {
    const found = sources.get(digest)?.map(({ start }) => start.line);
    return [(names[index] ?? "").replace(/^\[.*?\/\d\] |@.*/g, ""), found] as const;
  });
  return Object.fromEntries(lines);
}

test("every vertex but the main context has the instruction it comes from", async () => {
  const built = await build(
    "FROM base AS a\nWORKDIR /w\nRUN <<E\nx\nE\n\nFROM a\nCOPY f \\\n  /g\nCOPY <<E /h\ny\nE\nADD https://x/y /\nCOPY --link --from=a /z /\n",
  );
  assert.deepEqual(linesOf(built), {
    "FROM docker.io/library/base:latest": [1],
    "WORKDIR /w": [2],
    "RUN <<E (x)": [3],
    "[internal] load build context": undefined,
    "COPY f   /g": [8],
    "[internal] preparing inline document": [10],
    "COPY <<E /h": [10],
    "ADD https://x/y /": [13],
    "COPY --link --from=a /z /": [14],
    "LINK COPY --link --from=a /z /": [14],
  });
});

test("instructions that make the same vertex are all named", async () => {
  const built = await build(
    "FROM base AS a\nRUN x\nFROM base AS b\nRUN x\nFROM a\nCOPY --from=b / /\nCOPY --from=other /o /",
    {},
    {
      "docker.io/library/other:latest": imageConfig({ Env: ["OTHER=1"] }),
    },
  );
  const lines = linesOf(built);
  assert.deepEqual(lines["RUN x"], [2, 4]);
  assert.deepEqual(lines["FROM docker.io/library/base:latest"], [1, 3]);
  assert.deepEqual(lines["FROM docker.io/library/other:latest"], [7]);
});

test("triggers stand where their stage begins, scratch nowhere", async () => {
  const images = { "docker.io/library/on:latest": imageConfig({ OnBuild: ["RUN t"] }) };
  assert.deepEqual(linesOf(await build("\nFROM on\nRUN x", {}, images))["ONBUILD RUN t"], [2]);
  assert.equal((await build("FROM scratch")).sources.size, 0);
});
