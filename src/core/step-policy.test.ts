import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { DIRECTIVES, type StepPolicy, formatPolicy, mergePolicies, parsePolicy, readPolicyDirective } from "./index.ts";

const word = fc.stringMatching(/^[^\s]{1,12}$/);
const policy = fc
  .record({
    ttl: fc.option(fc.integer({ min: 1, max: 999 }), { nil: undefined }),
    never: fc.boolean(),
    secrets: fc.uniqueArray(word, { maxLength: 3 }),
    cutoff: fc.boolean(),
    why: fc.boolean(),
  })
  .filter(({ ttl, never, secrets, cutoff, why }) => ttl !== undefined || never || secrets.length > 0 || cutoff || why)
  .map(({ ttl, never, secrets, cutoff, why }): StepPolicy => ({
    ...(ttl === undefined ? {} : { ttl: { text: `${ttl}h`, ms: ttl * 3_600_000 } }),
    ...(never ? { never } : {}),
    ...(secrets.length === 0 ? {} : { secrets: secrets.sort() }),
    ...(cutoff ? { cutoff } : {}),
    ...(why ? { why: "off" } : {}),
  }));

test("what formatPolicy writes, parsePolicy reads", () => {
  fc.assert(fc.property(policy, (value) => assert.deepEqual(parsePolicy(formatPolicy(value)), value)));
});

test("a text is a policy, or it is not: never an error", () => {
  const text = fc.oneof(
    fc.string(),
    fc.array(fc.constantFrom(...DIRECTIVES, "=", " ", "7d", "off")).map((all) => all.join("")),
  );
  fc.assert(
    fc.property(text, (value) => {
      const parsed = parsePolicy(value);
      if (parsed !== undefined) assert.deepEqual(parsePolicy(formatPolicy(parsed)), parsed);
    }),
  );
});

test("of two policies for one step, nothing is lost and the shorter ttl applies", () => {
  fc.assert(
    fc.property(policy, policy, (a, b) => {
      const merged = mergePolicies(a, b);
      assert.deepEqual(merged?.secrets ?? [], [...new Set([...(a.secrets ?? []), ...(b.secrets ?? [])])].sort());
      assert.equal(merged?.never, a.never ?? b.never);
      assert.equal(merged?.ttl?.ms ?? Infinity, Math.min(a.ttl?.ms ?? Infinity, b.ttl?.ms ?? Infinity));
    }),
  );
});

test("directives say what is wrong with them", () => {
  const kinds = ["ttl=7d", "ttl=1h30m", "ttl=90", "never", "secret=npm", "cutoff", "why=off"];
  for (const each of kinds) assert.equal(readPolicyDirective(each).kind, "policy", each);
  const wrong = [
    "ttl",
    "ttl=",
    "ttl=0",
    "ttl=-1d",
    "ttl=7w",
    `ttl=${"9".repeat(30)}d`,
    "never=1",
    "secret",
    "why",
    "why=on",
  ];
  for (const each of wrong) assert.equal(readPolicyDirective(each).kind, "invalid", each);
  for (const each of ["", "=", "ttll=7d", "TTL=7d", "constructor", "__proto__"])
    assert.equal(readPolicyDirective(each).kind, "unknown", each);
});
