import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { isVarveError } from "../core/index.ts";
import { expressionText } from "./expression.ts";
import { type MatchInfo, PatternMatcher } from "./index.ts";

/** The cases of moby/patternmatcher's own tests. */
const CASES: [patterns: string | string[], path: string, expected: boolean][] = [
  ["**", "file", true],
  ["**", "file/", true],
  ["**/", "file", true],
  ["**", "/", true],
  ["**", "dir/file", true],
  ["**/", "dir/file/", true],
  ["**/**", "dir/file", true],
  ["dir/**", "dir/file", true],
  ["dir/**", "dir/dir2/file/", true],
  ["**/dir", "dir", true],
  ["**/dir", "dir/file", true],
  ["**/dir2/*", "dir/dir2/file", true],
  ["**/dir2/*", "dir/dir2/file/", true],
  ["**/dir2/**", "dir/dir2/dir3/file", true],
  ["**file", "file", true],
  ["**file", "dir/file", true],
  ["**/file", "dir/file", true],
  ["**file", "dir/dir/file", true],
  ["**/file*", "dir/dir/file.txt", true],
  ["**/file*txt", "dir/dir/file.txt", true],
  ["**/file*.txt*", "dir/dir/file.txt", true],
  ["**/**/*.txt", "dir/dir/file.txt", true],
  ["**/**/*.txt2", "dir/dir/file.txt", false],
  ["**/*.txt", "file.txt", true],
  ["**/**/*.txt", "file.txt", true],
  ["a**/*.txt", "a/file.txt", true],
  ["a**/*.txt", "a/dir/dir/file.txt", true],
  ["a/*.txt", "a/dir/file.txt", false],
  ["a/*.txt", "a/file.txt", true],
  ["a/*.txt**", "a/file.txt", true],
  ["a[b-d]e", "ae", false],
  ["a[b-d]e", "ace", true],
  ["a[b-d]e", "aae", false],
  ["a[^b-d]e", "aze", true],
  [".*", ".foo", true],
  [".*", "foo", false],
  ["abc.def", "abcdef", false],
  ["abc.def", "abc.def", true],
  ["abc.def", "abcZdef", false],
  ["abc?def", "abcZdef", true],
  ["abc?def", "abcdef", false],
  ["a\\\\", "a\\", true],
  ["**/foo/bar", "dir/dir2/foo/bar", true],
  ["abc/**", "abc", false],
  ["abc/**", "abc/def/ghi", true],
  ["**/.foo", ".foo", true],
  ["**/.foo", "bar.foo", false],
  ["a(b)c/def", "a(b)c/def", true],
  ["a(b)c/def", "a(b)c/xyz", false],
  ["a.|)$(}+{bc", "a.|)$(}+{bc", true],
  ["dist/*.whl", "dist/proxy.py-2.4.0rc3.dev36+g08acad9-py3-none-any.whl", true],
  ["a\\*b", "a*b", true],
  ["a*", "ab/c", true],
  ["*", "abc/d", true],
  [["**", "!util/docker/web"], "util/docker/web/foo", false],
  [["**", "!util/docker/web", "util/docker/web/foo"], "util/docker/web/foo", true],
  [["**", "!dist/*.whl"], "dist/a.whl", false],
  [["!fileutils.go", "*.go"], "fileutils.go", true],
  [["*.go", "!fileutils.go"], "fileutils.go", false],
  [["docs", "!docs/README.md"], "docs/README.md", false],
  [["docs/", "!docs/README.md"], "docs/README.md", false],
  [["docs/*", "!docs/README.md"], "docs/README.md", false],
  [["docs", "  !docs/README.md  "], "docs/README.md", false],
  [["", "  "], "anything", false],
  ["./a//b/../c", "a/c", true],
  ["/rooted", "rooted", false],
];

function walked(matcher: PatternMatcher, path: string): boolean {
  let info: MatchInfo | undefined;
  const parts = path.split("/").filter((part) => part !== "");
  parts.forEach((_part, index) => (info = matcher.match(parts.slice(0, index + 1).join("/"), info)));
  return info?.matched ?? false;
}

test("matches as moby's pattern matcher", () => {
  for (const [patterns, path, expected] of CASES) {
    const matcher = new PatternMatcher([patterns].flat());
    assert.equal(matcher.matches(path), expected, `${String(patterns)} on ${path}`);
  }
});

test("in a walk the parents' results stand for looking at the parents again", () => {
  for (const [patterns, path, expected] of CASES.filter(([, path]) => path !== "/" && !path.endsWith("/")))
    assert.equal(walked(new PatternMatcher([patterns].flat()), path), expected, `${String(patterns)} on ${path}`);
});

test("makes the same expressions as moby", () => {
  const texts: [string, string][] = [
    ["*", "[^/]*"],
    ["a*/b", "a[^/]*/b"],
    ["**/**", "(.*/)?.*"],
    ["**/dir2/*", "(.*/)?dir2/[^/]*"],
    ["**/dir2/**", "(.*/)?dir2/.*"],
    ["**/**/*.txt", "(.*/)?(.*/)?[^/]*\\.txt"],
    ["a[b-d]e", "a[b-d]e"],
    ["abc?def", "abc[^/]def"],
  ];
  for (const [pattern, text] of texts) assert.equal(expressionText(pattern), text);
});

test("a malformed pattern is refused when it is read", () => {
  for (const bad of ["!", "[", "a[", "[]a]", "[x-]", "\\", "[Local-Only]/", "a\\é*", "a\\1*"])
    assert.throws(
      () => new PatternMatcher([bad]),
      (error) => isVarveError(error, "invalid-build"),
      bad,
    );
});

test("information of other patterns is refused", () => {
  const info = new PatternMatcher(["a", "b"]).match("a");
  assert.throws(
    () => new PatternMatcher(["a"]).match("a/b", info),
    (error) => isVarveError(error, "internal"),
  );
});

const segment = fc.string({ unit: fc.constantFrom("a", "b", "."), minLength: 1, maxLength: 3 });
const path = fc.array(segment, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"));
const pattern = fc.string({
  unit: fc.constantFrom("a", "b", ".", "*", "**", "/", "?", "[ab]", "[^a]"),
  minLength: 1,
  maxLength: 8,
});

test("the expression matches what JavaScript's own matches", () => {
  fc.assert(
    fc.property(pattern, path, (text, name) => {
      const [parsed] = new PatternMatcher([text]).patterns;
      if (parsed === undefined || !/[*?[]/.test(parsed.text)) return;
      const exact = /^\*\*[^*?[]*$/.test(parsed.text) || /^[^*?[]*\*\*$/.test(parsed.text);
      if (!exact) assert.equal(parsed.matches(name), new RegExp(`^${expressionText(parsed.text)}$`, "u").test(name));
    }),
  );
});

test("without exclusions, walking and matching whole paths agree", () => {
  fc.assert(
    fc.property(fc.array(pattern, { maxLength: 4 }), path, (patterns, name) => {
      const matcher = new PatternMatcher(patterns);
      const clean = name
        .split("/")
        .filter((part) => !/^\.+$/.test(part))
        .join("/");
      if (clean !== "") assert.equal(walked(matcher, clean), matcher.matches(clean));
    }),
  );
});

test("a hostile pattern takes no exponential time", () => {
  const started = performance.now();
  assert.equal(new PatternMatcher(["**/a".repeat(40) + "*b"]).matches("a/".repeat(1500) + "c"), false);
  assert.ok(performance.now() - started < 3000);
});

test("looking at parents in one pass is looking at each", () => {
  fc.assert(
    fc.property(pattern, path, (text, name) => {
      const [parsed] = new PatternMatcher([text]).patterns;
      const parts = name.split("/");
      const each = parts.some((_part, index) => parsed?.matches(parts.slice(0, index + 1).join("/")));
      assert.equal(parsed?.matchesParents(name) ?? false, each);
    }),
  );
});
