import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDockerfile } from "../index.ts";

/** Returns the policies of the first stage's instructions, and the warnings with their positions. */
function read(text: string) {
  const file = parseDockerfile(text);
  const warnings = file.linter.warnings.map(
    ({ message, range: { start, end } }) => `${start.line}:${start.column}-${end.column} ${message}`,
  );
  return { policies: file.stages[0]?.instructions.map((each) => each.policy), warnings };
}

test("directives stand in comments above an instruction: several in one, or in several", () => {
  const text = `FROM a
# varve: ttl=7d  cutoff
#varve:secret=npm
# about the step

# varve: why=off
RUN make
# varve: never
COPY a b
RUN x \\
# varve: never
  y
`;
  assert.deepEqual(read(text), {
    policies: [
      { ttl: { text: "7d", ms: 604_800_000 }, cutoff: true, secrets: ["npm"], why: "off" },
      { never: true },
      undefined,
    ],
    warnings: [],
  });
});

test("wrong directives are located and have no effect; the others of the comment have", () => {
  const text =
    "FROM a\n  # varve: ttll=7d never\nRUN x\n# varve:\nRUN y\n# varve: cutoff\nWORKDIR /w\n# varve: ttl=1d\nARG a\n";
  assert.deepEqual(read(text), {
    policies: [{ never: true }, undefined, undefined, undefined],
    warnings: [
      '2:12-19 Unknown varve directive "ttll" (did you mean ttl?)',
      "4:9-9 Missing varve directive: expected one of ttl, never, secret, cutoff, traced, why",
      '6:10-16 varve directive "cutoff" has no effect above WORKDIR: it is for RUN',
      '8:10-16 varve directive "ttl" has no effect above ARG: it is for RUN, COPY, ADD and WORKDIR',
    ],
  });
  assert.deepEqual(read(`FROM a\n# check=skip=InvalidVarveDirective\n# varve: x\nRUN x\n`).warnings, []);
});

test("a first line with a directive ends the parser directives, as any comment", () => {
  const file = parseDockerfile("# varve: never\n# syntax=x\nFROM a\n");
  assert.equal(file.syntax, undefined);
});
