import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { parseChallenges } from "./challenge.ts";

const plain = (...values: string[]): unknown[] =>
  parseChallenges(values).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);

test("what registries send is read", () => {
  assert.deepEqual(
    plain('Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push"'),
    [
      [
        "bearer",
        { realm: "https://auth.docker.io/token", service: "registry.docker.io", scope: "repository:a/b:pull,push" },
      ],
    ],
  );
  assert.deepEqual(plain('Basic realm="x"'), [["basic", { realm: "x" }]]);
  assert.deepEqual(plain("BASIC Realm = x ,"), [["basic", { realm: "x" }]]);
  assert.deepEqual(plain(' Bearer realm="a\\"b\\\\c" , error="invalid_token", Basic realm="y"'), [
    ["bearer", { realm: 'a"b\\c', error: "invalid_token" }],
    ["basic", { realm: "y" }],
  ]);
  assert.deepEqual(plain("Negotiate", "NTLM, Negotiate YWJj==, Basic realm=x"), [
    ["negotiate", {}],
    ["ntlm", {}],
    ["negotiate", {}],
    ["basic", { realm: "x" }],
  ]);
  assert.deepEqual(plain(), []);
  assert.deepEqual(plain("", " , ,"), []);
});

test("a field that violates the grammar yields no challenges", () => {
  for (const value of [
    'Bearer realm="x',
    'Bearer realm="x" service="y"',
    'Bearer realm="a",realm="b"',
    'Bearer realm="\u0001"',
    "Bearer (",
    'Bearer realm="x"; service="y"',
    "=x",
    `Basic realm="${"x".repeat(9000)}"`,
    "a,".repeat(100),
  ]) {
    assert.deepEqual(plain('Basic realm="z"', value), [], value.slice(0, 80));
  }
});

/** Control characters have no quoted form. */
// oxlint-disable-next-line no-control-regex -- they are what is meant
const printable = (text: string): string => text.replace(/[\u0000-\u001f\u007f]/g, "");

const token = fc.stringMatching(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,20}$/);
const parameters = fc.uniqueArray(fc.tuple(token, fc.string({ unit: "binary-ascii" })), {
  selector: ([name]) => name.toLowerCase(),
  minLength: 1,
  maxLength: 5,
});

test("whatever is quoted comes back", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(token, parameters), { minLength: 1, maxLength: 4 }), (challenges) => {
      const clean = challenges.map(([scheme, list]) => {
        return [scheme, list.map(([name, value]) => [name, printable(value)] as const)] as const;
      });
      const text = clean
        .map(
          ([scheme, list]) => `${scheme} ${list.map(([n, v]) => `${n}="${v.replace(/["\\]/g, "\\$&")}"`).join(", ")}`,
        )
        .join(", ");
      assert.deepEqual(
        plain(text),
        clean.map(([scheme, list]) => [
          scheme.toLowerCase(),
          Object.fromEntries(list.map(([name, value]) => [name.toLowerCase(), value])),
        ]),
      );
    }),
    { numRuns: 200 },
  );
});

test("no input makes it throw or run long", () => {
  const piece = fc.constantFrom('"', "\\", "=", ",", " ", "a", "Bearer ", "realm", "\t", "/", "==", "é");
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => void parseChallenges([pieces.join("")])),
    { numRuns: 500 },
  );
});
