import assert from "node:assert/strict";
import { test } from "node:test";
import type { SourceOp } from "../llb/index.ts";
import { type Policy, PolicyEngine, type Rule, type Selector } from "./index.ts";

function source(identifier: string, attrs: Readonly<Record<string, string>> = {}): SourceOp {
  return { kind: "source", identifier, attrs: new Map(Object.entries(attrs)) };
}

function rule(action: Rule["action"], identifier: string, more: Partial<Rule> & Partial<Selector> = {}): Rule {
  const { matchType = "WILDCARD", constraints, updates } = more;
  return { action, selector: { identifier, matchType, constraints }, updates };
}

function evaluate(rules: readonly Rule[], op: SourceOp): SourceOp {
  return new PolicyEngine([{ rules }]).evaluate(op);
}

const ALPINE = "docker-image://docker.io/library/alpine:3";
const DENIED = `source ${JSON.stringify(ALPINE)} denied by policy: source denied by policy`;

test("the last rule that matches decides; without one a source is allowed", () => {
  const op = source(ALPINE);
  assert.equal(evaluate([], op), op);
  assert.equal(evaluate([rule("DENY", "docker-image://other*")], op), op);
  assert.equal(evaluate([rule("DENY", "*"), rule("ALLOW", "docker-image://*")], op), op);
  assert.throws(() => evaluate([rule("ALLOW", "*"), rule("DENY", ALPINE, { matchType: "EXACT" })], op), {
    code: "invalid-build",
    message: DENIED,
  });
  const allowing: Policy = { rules: [rule("ALLOW", "*")] };
  assert.throws(() => new PolicyEngine([allowing, { rules: [rule("DENY", "*")] }]).evaluate(op), { message: DENIED });
});

test("a literal match counts, whatever the type", () => {
  for (const matchType of ["WILDCARD", "EXACT", "REGEX"] as const)
    assert.throws(() => evaluate([rule("DENY", ALPINE, { matchType })], source(ALPINE)), { message: DENIED });
  const star = source("docker-image://a*");
  assert.throws(() => evaluate([rule("DENY", "docker-image://a*", { matchType: "EXACT" })], star));
});

test("constraints are about attributes; an attribute that is not set is empty", () => {
  const op = source("https://e.x/f", { "http.checksum": "sha256:aa" });
  const denied = (key: string, condition: "EQUAL" | "NOTEQUAL" | "MATCHES", value: string): boolean => {
    try {
      evaluate([rule("DENY", "*", { constraints: [{ key, condition, value }] })], op);
      return false;
    } catch {
      return true;
    }
  };
  assert.equal(denied("http.checksum", "EQUAL", "sha256:aa"), true);
  assert.equal(denied("http.checksum", "EQUAL", "sha256:ab"), false);
  assert.equal(denied("http.checksum", "NOTEQUAL", "sha256:ab"), true);
  assert.equal(denied("http.checksum", "MATCHES", "^sha256:a+$"), true);
  assert.equal(denied("http.perm", "EQUAL", ""), true);
  assert.equal(denied("http.perm", "MATCHES", "."), false);
});

test("a conversion sets the identifier and attributes, and starts again", () => {
  const converted = evaluate(
    [
      rule("CONVERT", "docker-image://docker.io/library/*", {
        updates: { identifier: "docker-image://mirror/${1}", attrs: new Map([["image.resolvemode", "pull"]]) },
      }),
      rule("DENY", "docker-image://docker.io/*"),
    ],
    source(ALPINE, { "image.layerlimit": "1" }),
  );
  assert.deepEqual(
    converted,
    source("docker-image://mirror/alpine:3", { "image.layerlimit": "1", "image.resolvemode": "pull" }),
  );
});

test("a conversion without an identifier keeps the rule's; one that changes nothing goes on", () => {
  const attrs = new Map([["http.checksum", "x"]]);
  const rules = [rule("CONVERT", "https://e.x/f", { updates: { identifier: "", attrs } })];
  assert.deepEqual(evaluate(rules, source("https://e.x/f")), source("https://e.x/f", { "http.checksum": "x" }));
  const same = source("https://e.x/f", { "http.checksum": "x" });
  assert.equal(evaluate(rules, same), same);
});

test("regular expressions replace every match, with numbered and named groups", () => {
  const rules = [
    rule("CONVERT", "^docker-image://(?P<host>[^/]+)/library/(.*):3$", {
      matchType: "REGEX",
      updates: { identifier: "docker-image://${host}.mirror/$2:$$${9}4" },
    }),
  ];
  assert.equal(evaluate(rules, source(ALPINE)).identifier, "docker-image://docker.io.mirror/alpine:$4");
});

test("more than twenty conversions are an error", () => {
  const grow = rule("CONVERT", "x*", { updates: { identifier: "xy${1}" } });
  assert.throws(() => evaluate([grow], source("x")), { message: /^too many mutations on a single source/ });
  const counted = Array.from({ length: 20 }, (_, index) =>
    rule("CONVERT", `n${index}`, { updates: { identifier: `n${index + 1}` } }),
  );
  assert.equal(evaluate(counted, source("n0")).identifier, "n20");
});

test("rules that lack a part, or have an unknown one, are errors", () => {
  const messages: readonly (readonly [string | RegExp, Policy])[] = [
    ["invalid nil rule in policy", { rules: [undefined] }],
    ["invalid nil selector in policy", { rules: [{ action: "ALLOW", selector: undefined }] }],
    ["invalid nil constraint in policy", { rules: [rule("ALLOW", "*", { constraints: [undefined] })] }],
    [/missing destination for convert rule/, { rules: [rule("CONVERT", "*")] }],
    [/^source policy: rule 9000 \*: unknown type/, { rules: [rule(9000, "*")] }],
    [/unknown match type: 7/, { rules: [rule("DENY", "*", { matchType: 7 })] }],
    [/invalid wildcard: "\*\*"/, { rules: [rule("DENY", "a**")] }],
  ];
  for (const [message, policy] of messages)
    assert.throws(() => new PolicyEngine([policy]).evaluate(source("x")), { code: "invalid-argument", message });
});
