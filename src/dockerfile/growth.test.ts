import assert from "node:assert/strict";
import { test } from "node:test";
import { Limits } from "../core/index.ts";
import { ExpansionBudget } from "./expand/budget.ts";
import { expand } from "./expand/expand.ts";
import { parseDockerfile } from "./index.ts";
import { suggestion } from "./parse/suggest.ts";

/** Counts what is spent. */
class Meter extends ExpansionBudget {
  spent = 0;

  override spend(units: number): void {
    this.spent += units;
    super.spend(units);
  }
}

function costOf(source: string, variables: Readonly<Record<string, string>>): number {
  const budget = new Meter(Infinity);
  expand(source, new Map(Object.entries(variables)), { escape: "\\", budget });
  return budget.spent;
}

test("what an expansion costs grows with the text, and with text times pattern", () => {
  const costs = (source: (n: number) => string): number[] =>
    [100, 200, 400].map((n) => costOf(source(n), { A: "a".repeat(n), B: "b" }));
  for (const [name, source] of [
    ["variables", (n) => "$B".repeat(n)],
    ["variables in quotes", (n) => `"${"$B".repeat(n)}"`],
    ["defaults", (n) => `\${A:-${"x".repeat(n)}}`],
    ["a fixed pattern", () => "${A//a/b}"],
    ["a pattern of stars", () => "${A#*a*a*b}"],
  ] as const satisfies readonly (readonly [string, (n: number) => string])[]) {
    const [one = 0, two = 0, four = 0] = costs(source);
    assert.ok(one > 0 && two <= 2.2 * one && four <= 4.4 * one, `${name}: ${[one, two, four].join(", ")}`);
  }
  const [one = 0, two = 0] = costs((n) => `\${A%${"*a".repeat(n / 10)}b}`);
  assert.ok(two <= 4.4 * one, `a long pattern: ${one}, ${two}`);
});

test("a file's expansions have a budget, and each a length", () => {
  const a = "a".repeat(1000);
  const variables = new Map([["A", a]]);
  const budget = new ExpansionBudget(2500);
  const once = (): string => expand('"$A"', variables, { escape: "\\", budget }).text;
  assert.deepEqual([once().length, once().length], [1000, 1000]);
  assert.throws(once, { code: "limit-exceeded" });
  for (const source of ["$A".repeat(2000), `"${"$A".repeat(2000)}"`, `\${A//a/${"x".repeat(2000)}}`])
    assert.throws(() => expand(source, variables, { escape: "\\" }), { code: "limit-exceeded" }, source.slice(0, 9));
  assert.ok(2000 * a.length > Limits.expandedText);
});

test("instructions, heredocs and flags are bounded", () => {
  const heredocs = (count: number): string => {
    const names = Array.from({ length: count }, (_, at) => `E${at}`);
    return `COPY ${names.map((name) => `<<${name}`).join(" ")} /\n${names.join("\n")}\n`;
  };
  assert.equal(parseDockerfile(`FROM scratch\n${heredocs(2000)}`).stages.length, 1);
  assert.throws(() => parseDockerfile(`FROM scratch\n${heredocs(5000).repeat(2)}`), { code: "limit-exceeded" });
  const mounts = (count: number): string =>
    `FROM scratch\nRUN ${"--mount=type=tmpfs,target=/a ".repeat(count)}--network=none x\n`;
  assert.equal(parseDockerfile(mounts(900)).stages.length, 1);
  assert.throws(() => parseDockerfile(mounts(1000)), /more than 1000 flags/);
});

test("rows of blanks and of carriage returns are read once", () => {
  assert.throws(() => parseDockerfile(`# ${"\r".repeat(400_000)}x\nFROM scratch\n`), /line greater than max/);
  const [run] = parseDockerfile(`FROM scratch\nRUN x${" \r".repeat(30_000)}z\n`).stages[0]?.instructions ?? [];
  assert.equal(run?.kind, "run");
  const split = `COPY <<${` \\\n`.repeat(20_000)}${"a".repeat(20_000)}< /d\n`;
  assert.equal(parseDockerfile(`FROM scratch\n${split}`).stages[0]?.instructions.length, 1);
});

test("only near names are suggested", () => {
  assert.equal(suggestion("VERSOIN", ["VERSION", "VERSE"]), "VERSION");
  assert.equal(suggestion("ABC", ["ABCDEF", "XYZ"]), undefined);
  assert.equal(suggestion("a".repeat(128), ["a".repeat(130), "b".repeat(128)]), "a".repeat(130));
  assert.equal(suggestion("", ["ab", "abc"]), "ab");
});
