import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { packagesArchive, packagesMissing } from "../../testing/host-packages.ts";
import { Varve, buildsUnavailable } from "../../testing/varve.ts";

const PACKAGES = [
  "gcc",
  "libc6-dev",
  "make",
  "diffutils",
  "coreutils",
  "python3",
  "python3-pip",
  "python3-setuptools",
  "python3-wheel",
];
const skip = buildsUnavailable() ?? packagesMissing(PACKAGES) ?? false;
const BASE = "varve.test/tools:1";
const IGNORED = "Dockerfile\n.dockerignore\n";

suite("projects of which everything is copied first", { skip }, () => {
  let varve: Varve;

  before(async () => {
    varve = await Varve.open();
    const base = await varve.files("base", {
      Dockerfile: "FROM scratch\nADD base.tar /\nENV PATH=/usr/bin:/bin PYTHONDONTWRITEBYTECODE=1\n",
    });
    await packagesArchive(PACKAGES, base);
    await varve.build(["-t", BASE, base]);
  });
  after(async () => await varve?.[Symbol.asyncDispose]());

  /** Builds a project, and returns whether the RUN steps whose names have these texts hit or ran. */
  async function statusOf(project: string, texts: readonly string[]): Promise<(string | undefined)[]> {
    const built = await varve.build(["-o", "type=cacheonly", project]);
    const steps = built.steps.filter(({ name }) => name.includes("] RUN "));
    return texts.map((text) => steps.find(({ name }) => name.includes(text))?.status);
  }

  const MAKEFILE = `CC = gcc
app: main.o words.o
\tgcc -o $@ $^
main.o: main.c words.h
words.o: words.c words.h
check: app
\t./app > actual
\tcmp actual tests/expected
`;

  test("a C project: make runs only if a source or header has changed, its check also if the expectation has", async () => {
    const project = await varve.files("c", {
      Dockerfile: `FROM ${BASE}\nWORKDIR /src\nCOPY . .\n# varve: traced\nRUN make app\n# varve: traced\nRUN make check\n`,
      ".dockerignore": IGNORED,
      Makefile: MAKEFILE,
      "main.c": '#include <stdio.h>\n#include "words.h"\nint main(void) { puts(greeting()); return 0; }\n',
      "words.c": '#include "words.h"\nconst char *greeting(void) { return WORD; }\n',
      "words.h": '#define WORD "hello"\nconst char *greeting(void);\n',
      "tests/expected": "hello\n",
      "README.md": "The first text.\n",
    });
    const write = (path: string, text: string): void => writeFileSync(join(project, path), text);
    const steps = (): Promise<(string | undefined)[]> => statusOf(project, ["make app", "make check"]);
    assert.deepEqual(await steps(), ["run", "run"]);
    write("README.md", "Another text.\n");
    assert.deepEqual(await steps(), ["hit", "hit"]);
    write("words.c", '#include "words.h"\nconst char *greeting(void) { return "" WORD; }\n');
    assert.deepEqual(await steps(), ["run", "hit"], "the program is the same");
    write("words.h", '#define WORD "welcome"\nconst char *greeting(void);\n');
    write("tests/expected", "welcome\n");
    assert.deepEqual(await steps(), ["run", "run"]);
    write("tests/expected", "other\n");
    const { code, stderr } = await varve.run(["build", "-o", "type=cacheonly", project]);
    assert.notEqual(code, 0);
    assert.match(stderr, /RUN make app[\s\S]*hit \(traced\): 1 file changed since, none that the step reads/);
    assert.match(stderr, /actual tests\/expected differ/);
    write("Makefile", `${MAKEFILE}# changed\n`);
    write("tests/expected", "welcome\n");
    assert.deepEqual(await steps(), ["run", "run"]);
  });

  test("a C project that is mounted and not copied: only what make reads counts, also where it writes", async () => {
    const mounted = "--mount=type=bind,source=.,target=/src";
    const project = await varve.files("mounted", {
      Dockerfile: `FROM ${BASE}
# varve: traced
RUN ${mounted} gcc -o /program /src/main.c
# varve: traced
RUN ${mounted},rw make -C /src app && cp /src/app /usr/bin/
`,
      ".dockerignore": IGNORED,
      Makefile: "app: main.c\n\tgcc -Ilib -o $@ $^\n",
      "main.c": '#include "lib/words.h"\nint main(void) { return WORD; }\n',
      "lib/words.h": "#define WORD 1\n",
      "lib/other.h": "#define OTHER 1\n",
      "README.md": "The first text.\n",
    });
    const steps = async (path: string, text: string): Promise<(string | undefined)[]> => {
      writeFileSync(join(project, path), text);
      return await statusOf(project, ["gcc -o", "make -C"]);
    };
    assert.deepEqual(await steps("README.md", "The first text.\n"), ["run", "run"]);
    assert.deepEqual(await steps("README.md", "Another text.\n"), ["hit", "hit"]);
    assert.deepEqual(await steps("lib/other.h", "#define OTHER 2\n"), ["hit", "hit"]);
    assert.deepEqual(await steps("lib/words.h", "#define WORD 2\n"), ["run", "run"]);
    assert.deepEqual(await steps("Makefile", "app: main.c\n\tgcc -o $@ $^\n"), ["hit", "run"]);
  });

  const PIP = "python3 -m pip --disable-pip-version-check";
  const PYTHON_PROJECT = `FROM ${BASE} AS wheels
COPY lib /words
RUN ${PIP} wheel --no-index --no-build-isolation --no-deps --wheel-dir /wheels /words
FROM ${BASE}
WORKDIR /app
COPY --from=wheels /wheels /wheels
COPY . .
# varve: traced
RUN ${PIP} install --break-system-packages --no-index --find-links=/wheels -r requirements.txt
# varve: traced
RUN python3 report.py > report.txt
`;

  test("a Python project: pip installs again only if what is required has changed", async () => {
    const project = await varve.files("python", {
      Dockerfile: PYTHON_PROJECT,
      ".dockerignore": `${IGNORED}lib/build\n`,
      "lib/setup.py": 'from setuptools import setup\nsetup(name="words", version="1.0", py_modules=["words"])\n',
      "lib/words.py": 'GREETING = "hello"\n',
      "requirements.txt": "words==1.0\n",
      "report.py": "import words\nprint(words.GREETING)\n",
      "README.md": "The first text.\n",
    });
    const write = (path: string, text: string): void => writeFileSync(join(project, path), text);
    const steps = (): Promise<(string | undefined)[]> =>
      statusOf(project, ["pip --disable-pip-version-check install", "report.py"]);
    assert.deepEqual(await steps(), ["run", "run"]);
    write("README.md", "Another text.\n");
    assert.deepEqual(await steps(), ["hit", "hit"]);
    write("report.py", "import words\nprint(words.GREETING, words.__name__)\n");
    assert.deepEqual(await steps(), ["hit", "run"]);
    write("requirements.txt", "words==1.0  # pinned\n");
    assert.equal((await steps())[0], "run");
    write("lib/words.py", 'GREETING = "welcome"\n');
    assert.deepEqual(await steps(), ["run", "run"]);
  });
});
