import assert from "node:assert/strict";
import { test } from "node:test";
import { isVarveError } from "../core/index.ts";
import { describeFlags, parseFlags } from "./flags.ts";

const FLAGS = {
  file: { kind: "string", short: "f", value: "FILE", help: "the Dockerfile" },
  tag: { kind: "many", short: "t", help: "a name" },
  pull: { kind: "boolean", help: "ask again" },
  quiet: { kind: "boolean", short: "q", help: "say nothing" },
} as const;

const usage = (error: unknown): boolean => isVarveError(error, "invalid-argument") && error.details.usage === true;

test("parses flags in every form that docker accepts", () => {
  const forms: readonly string[][] = [
    ["--file", "a", "."],
    ["--file=a", "."],
    ["-f", "a", "."],
    ["-fa", "."],
    ["-f=a", "."],
    [".", "-f", "a"],
  ];
  for (const argv of forms) {
    const { flags, args } = parseFlags(argv, FLAGS);
    assert.deepEqual([flags.file, args], ["a", ["."]], argv.join(" "));
  }
});

test("returns defaults for absent flags", () => {
  const { flags, args } = parseFlags([], FLAGS);
  assert.deepEqual({ ...flags }, { file: undefined, tag: [], pull: false, quiet: false });
  assert.deepEqual(args, []);
});

test("collects repeated flags, and takes the last value of the others", () => {
  const { flags } = parseFlags(["-t", "a", "--tag=b", "-t=c=d", "-f", "1", "-f", "2"], FLAGS);
  assert.deepEqual(flags.tag, ["a", "b", "c=d"]);
  assert.equal(flags.file, "2");
});

test("boolean flags accept true and false, and the last one wins", () => {
  const pull = (...argv: string[]): boolean => parseFlags(argv, FLAGS).flags.pull;
  assert.equal(pull("--pull=true"), true);
  assert.equal(pull("--pull=1"), true);
  assert.equal(pull("--pull=false"), false);
  assert.equal(pull("--pull", "--pull=false"), false);
  assert.equal(pull("--pull=false", "--pull"), true);
  assert.equal(parseFlags(["-q", "-q=false"], FLAGS).flags.quiet, false);
  assert.throws(() => pull("--pull=maybe"), usage);
});

test("switches are undefined unless they are given, and take no word after them", () => {
  const flags = { gc: { kind: "switch", help: "collect" } } as const;
  const read = (...argv: string[]): unknown => parseFlags(argv, flags).flags.gc;
  assert.deepEqual([read(), read("--gc"), read("--gc=false"), read("--gc=1")], [undefined, true, false, true]);
  assert.deepEqual([read("--gc", "--gc=false"), read("--gc=false", "--gc")], [false, true]);
  assert.deepEqual(parseFlags(["--gc", "x"], flags).args, ["x"]);
  assert.throws(() => read("--gc=maybe"), usage);
  assert.equal(describeFlags(flags), "      --gc  collect");
});

test("a lone dash is an argument or a value, and -- ends the flags", () => {
  assert.deepEqual(parseFlags(["-"], FLAGS).args, ["-"]);
  assert.equal(parseFlags(["-f", "-", "."], FLAGS).flags.file, "-");
  assert.deepEqual(parseFlags(["--", "--pull=maybe", "-f"], FLAGS).args, ["--pull=maybe", "-f"]);
});

test("rejects unknown flags with a usage error", () => {
  for (const argv of [["--nope"], ["-x"], ["--file"], ["--constructor=1"], ["--__proto__=1"], ["--toString"]]) {
    assert.throws(() => parseFlags(argv, FLAGS), usage, argv.join(" "));
  }
});

test("help has a line for each flag, with its value", () => {
  assert.equal(
    describeFlags(FLAGS),
    "  -f, --file FILE  the Dockerfile\n  -t, --tag VALUE  a name\n      --pull       ask again\n  -q, --quiet      say nothing",
  );
});

test("a flag with an optional value does not take the next argument", () => {
  const flags = { why: { kind: "optional", value: "full|off", help: "explain" } } as const;
  for (const [argv, value] of [
    [["--why", "."], ""],
    [["--why=full", "."], "full"],
    [[".", "--why"], ""],
    [["."], undefined],
  ] as const)
    assert.deepEqual(parseFlags(argv, flags), { flags: { why: value }, args: ["."] }, argv.join(" "));
  assert.match(describeFlags(flags), /--why\[=full\|off\] +explain/);
});
