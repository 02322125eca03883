import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { type VarveError, isVarveError } from "../../core/index.ts";
import { type Instruction, lineRange, parseDockerfile, parseTrigger, snippet, sourceFile } from "../index.ts";

function instructions(text: string): readonly Instruction[] {
  return parseDockerfile(`FROM scratch\n${text}`).stages[0]?.instructions ?? [];
}

function only<K extends Instruction["kind"]>(kind: K, text: string): Extract<Instruction, { kind: K }> {
  const [first, ...rest] = instructions(text);
  assert.equal(rest.length, 0);
  assert.equal(first?.kind, kind);
  return first as Extract<Instruction, { kind: K }>;
}

function failure(text: string): VarveError {
  try {
    parseDockerfile(text);
  } catch (error) {
    assert.ok(isVarveError(error, "invalid-build", "limit-exceeded"), String(error));
    return error;
  }
  return assert.fail(`no error for ${JSON.stringify(text)}`);
}

test("stages, their names and their arguments", () => {
  const file = parseDockerfile(
    "# syntax=docker/dockerfile:1\nARG V=1\n# base the base\nFROM --platform=$BUILDPLATFORM alpine:$V AS Base\nRUN a\nfrom base\n",
  );
  assert.equal(file.syntax, "docker/dockerfile:1");
  assert.deepEqual(file.globalArgs[0]?.args, [{ key: "V", value: "1", description: "" }]);
  const [first, second] = file.stages;
  assert.equal(first?.name, "base");
  assert.equal(first?.base, "alpine:$V");
  assert.equal(first?.platform, "$BUILDPLATFORM");
  assert.equal(first?.description, "the base");
  assert.equal(first?.instructions.length, 1);
  assert.equal(second?.base, "base");
});

test("continuations, comments and blank lines within", () => {
  const run = only("run", "RUN a \\\n  # comment\n\n  b \\  \n\tc");
  assert.deepEqual(run.command, { form: "shell", args: ["a   b \tc"], files: [] });
  assert.deepEqual(run.range, { start: { line: 2, column: 1 }, end: { line: 6, column: 3 } });
  assert.equal(only("run", "RUN a \\").command.args[0], "a");
  assert.equal(only("run", "RUN a \\\\\nRUN b".replace("\nRUN b", "")).command.args[0], "a \\\\");
});

test("the escape directive", () => {
  const file = parseDockerfile("# escape=`\nFROM scratch\nRUN dir C:\\ `\n && x\nCOPY a C:\\\n");
  assert.equal(file.escape, "`");
  const [run, copy] = file.stages[0]?.instructions ?? [];
  assert.equal(run?.code, "RUN dir C:\\  && x");
  assert.equal(copy?.kind === "copy" && copy.destination, "C:\\");
  assert.match(failure("# escape=x\nFROM a").message, /invalid escape token 'x' does not match ` or \\/);
  assert.match(failure("# escape=`\n# escape=`\nFROM a").message, /only one escape parser directive can be used/);
  assert.equal(parseDockerfile("\n# escape=`\nFROM a").escape, "\\");
  assert.equal(parseDockerfile("# comment\n# escape=`\nFROM a").escape, "\\");
});

test("shell form and exec form", () => {
  assert.deepEqual(only("cmd", 'CMD ["a", "b c"]').command, { form: "exec", args: ["a", "b c"], files: [] });
  assert.deepEqual(only("cmd", "CMD ['a']").command, { form: "shell", args: ["['a']"], files: [] });
  assert.deepEqual(only("entrypoint", "ENTRYPOINT []").command, { form: "exec", args: [], files: [] });
  assert.match(failure('FROM a\nCMD ["a", 1]').message, /arrays must be comprised of strings only/);
  assert.match(failure("FROM a\nSHELL bash").message, /SHELL requires the arguments to be in JSON form/);
});

test("heredocs: several, quoted, chomped", () => {
  const text = 'COPY <<a.txt <<-"b.txt" c /d/\nhello $x\na.txt\n\tindented\n\tb.txt';
  const copy = only("copy", text);
  assert.deepEqual(copy.sources, ["c"]);
  assert.deepEqual(copy.inline, [
    { path: "a.txt", data: "hello $x\n", expand: true },
    { path: "b.txt", data: "indented\n", expand: false },
  ]);
  assert.deepEqual(copy.range.end, { line: 6, column: 7 });
  const run = only("run", "RUN <<EOF cat <<-X\r\na\r\nEOF\r\n\tb\n\tX\n");
  assert.deepEqual(run.command.files, [
    { name: "EOF", data: "a\r\n", chomp: false },
    { name: "X", data: "\tb\n", chomp: true },
  ]);
  assert.equal(only("run", 'RUN ["echo", "<<EOF"]').command.files.length, 0);
  assert.equal(only("run", "RUN echo $((1<<2))").command.files.length, 0);
  assert.match(failure("FROM a\nRUN <<EOF\nx").message, /unterminated heredoc/);
  assert.match(failure("FROM a\nCOPY a <<EOF\nEOF").message, /COPY cannot accept a heredoc as a destination/);
});

test("flags", () => {
  const copy = only("copy", 'COPY --from=a --chown="u:g" --link --exclude=x --exclude=y --parents=false -- --odd /d');
  assert.deepEqual(
    [copy.from, copy.chown, copy.link, copy.exclude, copy.parents, copy.sources],
    ["a", "u:g", true, ["x", "y"], false, ["--odd"]],
  );
  const add = only("add", "ADD --keep-git-dir --checksum=sha256:x --unpack=false https://a/b /d");
  assert.deepEqual([add.keepGitDir, add.checksum, add.unpack], [true, "sha256:x", false]);
  assert.match(failure("FROM a\nCOPY --form=x a b").message, /unknown flag: --form \(did you mean from\?\)/);
  assert.match(failure("FROM a\nCOPY --from=x --from=y a b").message, /duplicate flag specified: --from/);
  assert.match(failure("FROM a\nCOPY --chown a b").message, /missing a value on flag: --chown/);
  assert.match(failure("FROM a\nCOPY --link=maybe a b").message, /expecting boolean value for flag --link, not: maybe/);
});

test("ENV and LABEL in both forms", () => {
  assert.deepEqual(only("env", "ENV a=b c=\"d e\" f='g'\\ h").variables, [
    { key: "a", value: "b", legacy: false },
    { key: "c", value: '"d e"', legacy: false },
    { key: "f", value: "'g'\\ h", legacy: false },
  ]);
  assert.deepEqual(only("env", "ENV a  b = c").variables, [{ key: "a", value: "b = c", legacy: true }]);
  assert.match(failure("FROM a\nENV a").message, /ENV must have two arguments/);
  assert.match(failure("FROM a\nENV a=b c").message, /can't find = in "c"/);
  assert.match(failure("FROM a\nLABEL").message, /LABEL requires at least one argument/);
  assert.match(failure("FROM a\nENV =b").message, /ENV names can not be blank/);
});

test("RUN mounts, network, security, devices", () => {
  const run = only("run", "RUN --mount=type=cache,target=/c --network=none --security=insecure --device=x,required y");
  assert.deepEqual([run.network, run.security, run.mountTexts], ["none", "insecure", ["type=cache,target=/c"]]);
  assert.deepEqual(run.devices, [{ name: "x", required: true }]);
  assert.match(failure("FROM a\nRUN --network=x y").message, /invalid network mode "x"/);
  assert.match(failure("FROM a\nRUN --mount=from=$x,target=/y z").message, /'from' doesn't support variable expansion/);
});

test("HEALTHCHECK", () => {
  const text = 'HEALTHCHECK --interval=1m30s --timeout=1.5s --retries=3 CMD ["a"]';
  assert.deepEqual(only("healthcheck", text).healthcheck, {
    test: ["CMD", "a"],
    interval: 90e9,
    timeout: 1.5e9,
    startPeriod: 0,
    startInterval: 0,
    retries: 3,
  });
  assert.deepEqual(only("healthcheck", "HEALTHCHECK cmd a  b").healthcheck.test, ["CMD-SHELL", "a  b"]);
  assert.deepEqual(only("healthcheck", "HEALTHCHECK NONE").healthcheck.test, ["NONE"]);
  assert.match(failure("FROM a\nHEALTHCHECK --interval=1us CMD x").message, /cannot be less than 1ms/);
  assert.match(failure("FROM a\nHEALTHCHECK --interval=5 CMD x").message, /missing unit in duration "5"/);
  assert.match(failure("FROM a\nHEALTHCHECK FOO x").message, /Unknown type "FOO" in HEALTHCHECK/);
});

test("ONBUILD", () => {
  assert.equal(only("onbuild", "onbuild COPY <<a /b\nx\na").expression, "COPY <<a /b\nx\na");
  assert.equal(parseTrigger("RUN x").kind, "run");
  assert.match(failure("FROM a\nONBUILD ONBUILD RUN x").message, /Chaining ONBUILD/);
  assert.match(failure("FROM a\nONBUILD from x").message, /FROM isn't allowed as an ONBUILD trigger/);
  assert.throws(() => parseTrigger("RUN x\nRUN y"), /single expression/);
});

test("errors say what, where and show it", () => {
  const error = failure("FROM alpine\n\n  FRM x \\\n  y\n");
  assert.match(error.message, /^dockerfile parse error on line 3: unknown instruction: FRM \(did you mean FROM\?\)/);
  assert.deepEqual(error.details.location, { file: "Dockerfile", line: 3, column: 3, endLine: 3, endColumn: 6 });
  const shown = [
    "Dockerfile:3",
    "--------------------",
    "   1 |     FROM alpine",
    "   2 |",
    "   3 | >>>   FRM x \\",
    "     |       ^^^",
    "   4 |       y",
    "--------------------",
  ];
  assert.equal(error.details.snippet, shown.join("\n"));
  const flag = failure("FROM alpine\nCOPY a \\\n b --form=x\nCOPY \\\n --form=x a b\n");
  assert.deepEqual(flag.details.location, { file: "Dockerfile", line: 5, column: 2, endLine: 5, endColumn: 8 });
});

test("a whole instruction is marked without carets, a long one not to its end", () => {
  const file = sourceFile("f", `FROM a\nRUN x \\\n y\n${"z\n".repeat(50)}`);
  const rows = (first: number, last: number): string[] =>
    snippet(file, lineRange(file, first, last))
      .split("\n")
      .slice(2, -1);
  assert.deepEqual(rows(2, 3), ["   1 |     FROM a", "   2 | >>> RUN x \\", "   3 | >>>  y", "   4 |     z"]);
  assert.deepEqual(rows(1, 1), ["   1 | >>> FROM a", "   2 |     RUN x \\", "   3 |      y"]);
  assert.equal(rows(4, 40).length, 14);
  assert.equal(rows(53, 53).at(-1), "  53 | >>> z");
});

test("what no Dockerfile is", () => {
  assert.match(failure("").message, /the Dockerfile cannot be empty/);
  assert.match(failure("# only\n\n").message, /file with no instructions/);
  assert.match(failure("ARG a").message, /no stages to build/);
  assert.match(failure("RUN x").message, /no build stage in current context/);
  assert.match(failure("FROM a b").message, /FROM requires either one or three arguments/);
  assert.match(failure("FROM a AS 1x").message, /invalid name for build stage: "1x"/);
  assert.match(failure("FROM a\nCOPY x").message, /COPY requires at least two arguments/);
  assert.match(failure(`FROM a\nRUN ${"x".repeat(70_000)}`).message, /line greater than max allowed size of 65535/);
  assert.equal(failure("#".repeat(3_000_000)).code, "limit-exceeded");
});

test("a byte order mark and Windows line ends are no matter", () => {
  const file = parseDockerfile(Buffer.from("\ufeffFROM scratch\r\nRUN a \\\r\n b\r\n"));
  assert.equal(file.stages[0]?.instructions[0]?.code, "RUN a  b");
});

test("binary data is not shown", () => {
  const { message, details } = failure("\u001f\ufffd\b\u0000\u0001s x\nFROM a\n");
  assert.equal(message, "dockerfile parse error on line 1: unknown instruction: (binary data)");
  const shown = ["Dockerfile:1", "--------------------", "   1 | >>> (binary data)", "   2 |     FROM a"];
  assert.equal(details.snippet, [...shown, "--------------------"].join("\n"));
});

test("names from Object's prototype are names", () => {
  assert.equal(
    parseDockerfile("FROM constructor AS __proto__".replace("__proto__", "tostring")).stages[0]?.name,
    "tostring",
  );
  assert.match(failure("constructor x").message, /unknown instruction: constructor/);
  assert.match(failure("FROM a\nCOPY --constructor=x a b").message, /unknown flag: --constructor/);
});

test("random text is a Dockerfile or a VarveError", () => {
  const keywords = "FROM a|FROM a AS b|RUN|COPY|ADD|ENV|LABEL|ONBUILD|HEALTHCHECK|CMD|EXPOSE|ARG|--from=x|--".split(
    "|",
  );
  const marks = ["<<EOF", "<<-'E'", "EOF", "E", "[", '["a"', "]", '"', "'", "\\", "`", "=", "#", "# escape=`"];
  const blanks = ["\n", "\n\n", "\\\n", " ", "\t", "$a", "${b:-c}", "a=b", "é", "\0", "\r\n", "\ufeff"];
  const word = fc.constantFrom(...keywords, ...marks, ...blanks);
  fc.assert(
    fc.property(fc.array(word, { maxLength: 30 }), (words) => {
      try {
        const file = parseDockerfile(words.join(words.length % 2 === 0 ? " " : ""));
        for (const stage of file.stages)
          for (const { range } of stage.instructions) assert.ok(range.start.line <= range.end.line);
      } catch (error) {
        assert.ok(isVarveError(error, "invalid-build"), String(error));
      }
    }),
    { numRuns: 2000 },
  );
});
