import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { build } from "../../testing/dockerfile-host.ts";

/** Entries that are put into maps while a Dockerfile is compiled. */
async function entriesSet(dockerfile: string): Promise<number> {
  const set = mock.method(Map.prototype, "set");
  try {
    await build(dockerfile);
    return set.mock.callCount();
  } finally {
    set.mock.restore();
  }
}

function numbered(count: number, text: (at: number) => string): string {
  return Array.from({ length: count }, (_, at) => text(at)).join("");
}

test("variables are set at the cost of one copy an instruction, and one a stage", async () => {
  const row = (n: number): string => `FROM scratch\nENV ${numbered(n, (at) => `A${at}=1 `)}\n`;
  const stages = (n: number): string =>
    numbered(n, (at) => `FROM ${at === 0 ? "scratch" : `s${at - 1}`} AS s${at}\nENV A${at}=1\n`);
  const declared = (n: number): string =>
    `FROM scratch\nARG ${numbered(n, (at) => `A${at} `)}\n${"USER $B\n".repeat(n)}`;
  for (const [name, source, factor] of [
    ["a row", row, 2],
    ["a chain of stages, each with the variables below it", stages, 4],
    ["arguments without values", declared, 2],
  ] as const) {
    const [one, two] = [await entriesSet(source(40)), await entriesSet(source(80))];
    assert.ok(one > 0 && two <= 1.1 * factor * one, `${name}: ${one}, ${two}`);
  }
});
