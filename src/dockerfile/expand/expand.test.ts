import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { isVarveError } from "../../core/index.ts";
import { expand, NO_VARIABLES, type ExpandOptions } from "../index.ts";

const BACKSLASH: ExpandOptions = { escape: "\\" };
const VARIABLES = new Map([
  ["PWD", "/home"],
  ["SHELL", "bash"],
  ["KOREAN", "한국어"],
  ["NULL", ""],
]);

/** Source and result; undefined = an error. What BuildKit's shell lexer makes of each. */
const WORDS: [source: string, result: string | undefined][] = [
  ["hello", "hello"],
  ["he'll'o", "hello"],
  ["he'llo", undefined],
  ["he\\'llo", "he'llo"],
  ["he\\\\'llo", undefined],
  ["abc\\tdef", "abctdef"],
  ['"abc\\tdef"', "abc\\tdef"],
  ['"abc\\\\tdef"', "abc\\tdef"],
  ["'abc\\tdef'", "abc\\tdef"],
  ["hello\\", "hello"],
  ["hello\\\\", "hello\\"],
  ['"hello', undefined],
  ['"hello\\"', undefined],
  ['"hel\'lo"', "hel'lo"],
  ["'hello", undefined],
  ["'hello\\'", "hello\\"],
  ["'hello\\there'", "hello\\there"],
  ["'hello\\\\there'", "hello\\\\there"],
  ["\"''\"", "''"],
  ["$.", "$."],
  ["he$1x", "hex"],
  ["he$.x", "he$.x"],
  ["he$pwd.", "he."],
  ["he$PWD", "he/home"],
  ["he\\$PWD", "he$PWD"],
  ["he\\\\$PWD", "he\\/home"],
  ['"he\\$PWD"', "he$PWD"],
  ['"he\\\\$PWD"', "he\\/home"],
  ["\\${}", "${}"],
  ["\\${}aaa", "${}aaa"],
  ["he\\${}", "he${}"],
  ["he\\${}xx", "he${}xx"],
  ["${}", undefined],
  ["${}aaa", undefined],
  ["he${}", undefined],
  ["he${}xx", undefined],
  ["he${hi}", "he"],
  ["he${hi}xx", "hexx"],
  ["he${PWD}", "he/home"],
  ["he${.}", undefined],
  ["he${XXX:-000}xx", "he000xx"],
  ["he${PWD:-000}xx", "he/homexx"],
  ["he${XXX:-$PWD}xx", "he/homexx"],
  ["he${XXX:-${PWD:-yyy}}xx", "he/homexx"],
  ["he${XXX:-${YYY:-yyy}}xx", "heyyyxx"],
  ["he${XXX:YYY}", undefined],
  ["he${XXX?}", undefined],
  ["he${XXX:?}", undefined],
  ["he${PWD?}", "he/home"],
  ["he${PWD:?}", "he/home"],
  ["he${NULL?}", "he"],
  ["he${NULL:?}", undefined],
  ["he${XXX:+${PWD}}xx", "hexx"],
  ["he${PWD:+${XXX}}xx", "hexx"],
  ["he${PWD:+${SHELL}}xx", "hebashxx"],
  ["he${XXX:+000}xx", "hexx"],
  ["he${PWD:+000}xx", "he000xx"],
  ["'he${XX}'", "he${XX}"],
  ['"he${PWD}"', "he/home"],
  ["\"he'$PWD'\"", "he'/home'"],
  ['"$PWD"', "/home"],
  ["'$PWD'", "$PWD"],
  ["'\\$PWD'", "\\$PWD"],
  ["'\"hello\"'", '"hello"'],
  ["he\\$PWD", "he$PWD"],
  ['"he\\$PWD"', "he$PWD"],
  ["'he\\$PWD'", "he\\$PWD"],
  ["he${PWD", undefined],
  ["he${PWD:=000}xx", undefined],
  ["he${PWD:+${PWD}:}xx", "he/home:xx"],
  ["he${XXX:-\\$PWD:}xx", "he$PWD:xx"],
  ["he${XXX:-\\${PWD}z}xx", "he${PWDz}xx"],
  ["안'녕'하세요", "안녕하세요"],
  ["안녕\\'하세요", "안녕'하세요"],
  ["안\\\\'녕하세요", undefined],
  ["안녕\\t하세요", "안녕t하세요"],
  ['"안녕\\t하세요"', "안녕\\t하세요"],
  ["'안녕\\t하세요", undefined],
  ["'안녕하세요\\'", "안녕하세요\\"],
  ["$KOREAN", "한국어"],
  ["안녕$KOREAN", "안녕한국어"],
  ["${{aaa}", undefined],
  ["${aaa}}", "}"],
  ["${aaa", undefined],
  ["${{aaa:-bbb}", undefined],
  ["${aaa:-bbb}}", "bbb}"],
  ["${aaa:-bbb", undefined],
  ["${aaa:-bbb}", "bbb"],
  ["${aaa:-${bbb:-ccc}}", "ccc"],
  ["${aaa:-bbb ${foo}", undefined],
  ["${aaa:-bbb {foo}", "bbb {foo"],
  ["${:}", undefined],
  ["${:-bbb}", undefined],
  ["${:+bbb}", undefined],
  ["$1", ""],
  ["${1}", ""],
  ["${1:+bbb}", ""],
  ["${1:-bbb}", "bbb"],
  ["$@", ""],
  ["${@}", ""],
  ["${@:+bbb}", ""],
  ["${@:-bbb}", "bbb"],
  ["$@@@", "@@"],
  ["$@aaa", "aaa"],
  ["${@}aaa", "aaa"],
  ["${@:+bbb}aaa", "aaa"],
  ["${@:-bbb}aaa", "bbbaaa"],
  ["$*", ""],
  ["${*}", ""],
  ["${*:+bbb}", ""],
  ["${*:-bbb}", "bbb"],
  ["$#", ""],
  ["${#}", ""],
  ["${#:+bbb}", ""],
  ["${#:-bbb}", "bbb"],
  ["$?", ""],
  ["${?}", ""],
  ["${?:+bbb}", ""],
  ["${?:-bbb}", "bbb"],
  ["$-", ""],
  ["${-}", ""],
  ["${-:+bbb}", ""],
  ["${-:-bbb}", "bbb"],
  ["$$", ""],
  ["${$}", ""],
  ["${$:+bbb}", ""],
  ["${$:-bbb}", "bbb"],
  ["$!", ""],
  ["${!}", ""],
  ["${!:+bbb}", ""],
  ["${!:-bbb}", "bbb"],
  ["$0", ""],
  ["${0}", ""],
  ["${0:+bbb}", ""],
  ["${0:-bbb}", "bbb"],
];

function refuses(source: string, variables: ReadonlyMap<string, string>, options = BACKSLASH): void {
  assert.throws(
    () => expand(source, variables, options),
    (error) => isVarveError(error, "invalid-build"),
    source,
  );
}

test("expands as BuildKit's shell lexer", () => {
  for (const [source, result] of WORDS) {
    if (result === undefined) refuses(source, VARIABLES);
    else assert.equal(expand(source, VARIABLES, BACKSLASH).text, result, source);
  }
});

type Case = [source: string, variables: Record<string, string>, result: string | undefined, unmatched?: string[]];

const MODIFIERS: Case[] = [
  ["${FOO-aaa} ${BAR-bbb} ${BAZ-ccc}", { FOO: "xxx", BAR: "" }, "xxx  ccc", ["BAZ"]],
  ["${FOO:-aaa} ${BAR:-bbb} ${BAZ:-ccc}", { FOO: "xxx", BAR: "" }, "xxx bbb ccc", ["BAZ"]],
  ["${FOO+aaa} ${BAR+bbb} ${BAZ+ccc}", { FOO: "xxx", BAR: "" }, "aaa bbb ", ["BAZ"]],
  ["${FOO:+aaa} ${BAR:+bbb} ${BAZ:+ccc}", { FOO: "xxx", BAR: "" }, "aaa  ", ["BAZ"]],
  ["${FOO?aaa}", { FOO: "xxx" }, "xxx"],
  ["${BAR?bbb}", { BAR: "" }, ""],
  ["${BAZ?ccc}", {}, undefined],
  ["${BAR:?bbb}", { BAR: "" }, undefined],
  ["${FOO=aaa}", { FOO: "xxx" }, undefined],
  ["${FOO:#}", {}, undefined],
  ["${FOO:%%}", {}, undefined],
  ["${FOO#()[]{\\}^$.\\*\\?|\\\\}", { FOO: "()[]{}^$.*?|\\x" }, "x"],
  ["${FOO%%\\**}", { FOO: "xx**" }, "xx"],
  ["${FOO#*x*y}", { FOO: "xxyy" }, "y"],
  ["${FOO#*}", { FOO: "xxyy" }, "xxyy"],
  ["${FOO#$BAR}", { FOO: "xxyy", BAR: "x" }, "xyy"],
  ["${FOO#}", { FOO: "xxyy" }, "xxyy"],
  ["${FOO##*x}", { FOO: "xxyy" }, "yy"],
  ["${FOO##}", { FOO: "xxyy" }, "xxyy"],
  ["${FOO#?\\?}", { FOO: "???y" }, "?y"],
  ["${ABC:-.}${FOO%x}${ABC:-.}", { FOO: "xxyy" }, ".xxyy.", ["ABC"]],
  ["${FOO%%\\**\\*}", { FOO: "a***yy*" }, "a"],
  ["${FOO/$NEEDLE/.} - ${FOO//$NEEDLE/.}", { FOO: "/foo*/*/*.txt", NEEDLE: "\\*/" }, "/foo.*/*.txt - /foo..*.txt"],
  ["${FOO/$NEEDLE/} - ${FOO//$NEEDLE/}", { FOO: "/tmp/tmp/bar.txt", NEEDLE: "/tmp" }, "/tmp/bar.txt - /bar.txt"],
  ["${FOO//$NEEDLE/$R}", { FOO: "/a/foo/b/c.txt", NEEDLE: "/?/", R: "/" }, "/foo/c.txt"],
  ["${FOO//\\//\\/}", { FOO: "/tmp/foo.txt" }, "\\/tmp\\/foo.txt"],
  ["${FOO/$BAR/ww}", { FOO: "xxyy", BAR: "" }, "wwxxyy"],
  ["${FOO//ww}", { FOO: "xxyy" }, undefined],
  ["${FOO//}", { FOO: "xxyy" }, undefined],
  ["${FOO///}", { FOO: "xxyy" }, "xxyy"],
  ["${FOO/\\x/y}", { FOO: "xxyy" }, undefined],
  ["${FOO//a/$R}", { FOO: "bab", R: "<$0$$>" }, "b<a$>b"],
  ["a-${V}.${OS}${VAR:+-${VAR}}.tgz", { V: "1", OS: "linux", VAR: "v7" }, "a-1.linux-v7.tgz"],
];

test("expands modifiers, and says which variables were not there", () => {
  for (const [source, variables, result, unmatched = []] of MODIFIERS) {
    const map = new Map(Object.entries(variables));
    if (result === undefined) {
      refuses(source, map);
      continue;
    }
    const expansion = expand(source, map, BACKSLASH);
    assert.equal(expansion.text, result, source);
    assert.deepEqual([...expansion.unmatched], unmatched, source);
  }
});

test("the message of ${name:?message} is expanded and shown", () => {
  const variables = new Map([["ARG", "x"]]);
  assert.throws(() => expand("${VAR:?message here$ARG}", variables, BACKSLASH), /VAR: message herex/);
  assert.throws(() => expand("${VAR?}", variables, BACKSLASH), /VAR: is not allowed to be unset/);
});

test("splits into words after expansion, but not within quotes", () => {
  const variables = new Map([
    ["space", "abc  def"],
    ["leading", "  ab c"],
    ["trailing", "ab c   "],
  ]);
  const cases: [string, string[]][] = [
    ["hello${space}bye", ["helloabc", "defbye"]],
    ['hello"${space}"bye', ["helloabc  defbye"]],
    ["hello${leading}def", ["hello", "ab", "cdef"]],
    ['hello"${leading}" def', ["hello  ab c", "def"]],
    ["hello${trailing}d", ["helloab", "c", "d"]],
    ["hello\\ there", ["hello there"]],
    ["hello' there  '", ["hello there  "]],
    ["a${x:-b}c", ["abc"]],
  ];
  for (const [source, words] of cases) assert.deepEqual(expand(source, variables, BACKSLASH).words, words, source);
});

test("the backtick escapes when it is the escape token", () => {
  const options: ExpandOptions = { escape: "`" };
  assert.equal(expand('C:\\dir`$x`"', NO_VARIABLES, options).text, 'C:\\dir$x"');
});

test("quotes, escapes and unset variables can be kept", () => {
  const options: ExpandOptions = { escape: "\\", rawQuotes: true, rawEscapes: true, keepUnset: true };
  const text = "echo \"$a\" '$b' \\$c ${d} ${e:-x}";
  assert.equal(expand(text, new Map([["a", "1"]]), options).text, "echo \"1\" '$b' \\$c ${d} ${e:-x}");
});

test("deep nesting and exploding results are refused", () => {
  refuses("${a:-".repeat(5000), new Map());
  const big = new Map([["a", "x".repeat(1_000_000)]]);
  assert.throws(
    () => expand("$a".repeat(100), big, BACKSLASH),
    (error) => isVarveError(error, "limit-exceeded"),
  );
});

test("a hostile pattern takes no exponential time", () => {
  const started = performance.now();
  const variables = new Map([["a", "a".repeat(3000)]]);
  expand(`\${a%%${"*a".repeat(30)}b}`, variables, BACKSLASH);
  expand(`\${a//${"*a".repeat(30)}b/x}`, variables, BACKSLASH);
  assert.ok(performance.now() - started < 3000);
});

test("random text gives a result or a VarveError", () => {
  const unit = fc.constantFrom(
    "$",
    "{",
    "}",
    ":",
    "-",
    "+",
    "?",
    "#",
    "%",
    "/",
    "a",
    "\\",
    "'",
    '"',
    "*",
    "<",
    " ",
    "é",
  );
  fc.assert(
    fc.property(fc.string({ unit, maxLength: 30 }), fc.boolean(), (source, keepUnset) => {
      try {
        expand(source, new Map([["a", "a/b"]]), { escape: "\\", keepUnset });
      } catch (error) {
        assert.ok(isVarveError(error));
      }
    }),
    { numRuns: 1000 },
  );
});
