import assert from "node:assert/strict";
import { symlink } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Varve, buildsUnavailable, busyboxImage } from "../../testing/varve.ts";
import { type StoreFacts, storeFacts } from "../../testing/store-facts.ts";

const skip = buildsUnavailable() ?? false;

interface Wrong {
  readonly name: string;
  readonly dockerfile: string;
  readonly args?: readonly string[];
  readonly files?: Readonly<Record<string, string>>;
  readonly code: number;
  readonly message: RegExp;
}

const NOBODY = "127.0.0.1:1/nobody/home";
const ZEROS = `sha256:${"0".repeat(64)}`;

const WRONG: readonly Wrong[] = [
  { name: "an unknown instruction", dockerfile: "FROM scratch\nRNU x\n", code: 3, message: /unknown instruction: RNU/ },
  { name: "no FROM", dockerfile: "RUN x\n", code: 3, message: /no build stage in current context/ },
  { name: "nothing at all", dockerfile: "", code: 3, message: /file with no instructions|empty/ },
  {
    name: "a flag that is none",
    dockerfile: "FROM scratch\nCOPY --nope a /\n",
    code: 3,
    message: /unknown flag: (?:--)?nope/,
  },
  { name: "a missing file", dockerfile: "FROM scratch\nCOPY nothing /\n", code: 3, message: /"\/nothing": not found/ },
  {
    name: "a way out of the context",
    dockerfile: "FROM scratch\nCOPY ../../etc/passwd /\n",
    code: 3,
    message: /"\/etc\/passwd": not found/,
  },
  {
    name: "an ignored file",
    dockerfile: "FROM scratch\nCOPY a /\n",
    files: { a: "", ".dockerignore": "a\n" },
    code: 3,
    message: /dockerignore/,
  },
  { name: "a malformed base", dockerfile: "FROM Not/A/Name:\n", code: 3, message: /Not\/A\/Name/ },
  {
    name: "a malformed name",
    dockerfile: "FROM scratch\nLABEL a=b\n",
    args: ["-t", "UPPER"],
    code: 2,
    message: /UPPER/,
  },
  {
    name: "a registry that is not there",
    dockerfile: `FROM ${NOBODY}\n`,
    code: 4,
    message: /127\.0\.0\.1:1.*refused|ECONNREFUSED/,
  },
  {
    name: "a stage that is not there",
    dockerfile: "FROM scratch AS a\nLABEL a=b\n",
    args: ["--target", "b"],
    code: 3,
    message: /target stage "b" could not be found/,
  },
  {
    name: "a stage not yet there",
    dockerfile: "FROM scratch AS a\nCOPY --from=1 / /\nFROM scratch\nCOPY Dockerfile /\n",
    args: ["--target", "a"],
    code: 3,
    message: /1/,
  },
  {
    name: "stages that need each other",
    dockerfile: "FROM scratch AS a\nCOPY --from=b / /\nFROM scratch AS b\nCOPY --from=a / /\n",
    code: 3,
    message: /circular|b/,
  },
  {
    name: "a failing command",
    dockerfile: "FROM varve.test/busybox:1\nRUN exit 42\n",
    code: 1,
    message: /exit code: 42/,
  },
  {
    name: "a command ended by a signal",
    dockerfile: "FROM varve.test/busybox:1\nRUN sh -c 'kill -9 $$'; exit $?\n",
    code: 1,
    message: /exit code: 137|SIGKILL/,
  },
  {
    name: "a command that is not there",
    dockerfile: 'FROM varve.test/busybox:1\nRUN ["/not/there"]\n',
    code: 1,
    message: /\/not\/there.*(?:no such file|not found)|exit code: 127/i,
  },
  { name: "no shell", dockerfile: "FROM scratch\nCOPY Dockerfile /\nRUN x\n", code: 1, message: /\/bin\/sh/ },
  {
    name: "a user that is not there",
    dockerfile: "FROM varve.test/busybox:1\nUSER nosuch\nRUN x\n",
    code: 3,
    message: /nosuch/,
  },
  { name: "a mode that is none", dockerfile: "FROM scratch\nCOPY --chmod=9x Dockerfile /\n", code: 3, message: /9x/ },
  {
    name: "a base with another digest",
    dockerfile: `FROM varve.test/busybox:1@${ZEROS}\n`,
    code: 4,
    message: /varve\.test/,
  },
  {
    name: "a secret that is not there",
    dockerfile: "FROM varve.test/busybox:1\nRUN --mount=type=secret,id=x,required true\n",
    code: 3,
    message: /secret x: not found/,
  },
  {
    name: "a variable that must be set",
    dockerfile: "FROM scratch\nARG A\nENV B=${A:?say it}\n",
    code: 3,
    message: /say it/,
  },
  {
    name: "a mount of nothing",
    dockerfile: "FROM varve.test/busybox:1\nRUN --mount=source=absent,target=/x true\n",
    code: 3,
    message: /absent/,
  },
  { name: "an unknown flag", dockerfile: "FROM scratch\n", args: ["--frobnicate"], code: 2, message: /frobnicate/ },
  { name: "an unknown output", dockerfile: "FROM scratch\n", args: ["-o", "type=floppy"], code: 2, message: /floppy/ },
  {
    name: "an unknown platform",
    dockerfile: "FROM scratch\nLABEL a=b\n",
    args: ["--platform", "a/b/c/d"],
    code: 2,
    message: /a\/b\/c\/d/,
  },
  { name: "a malformed size", dockerfile: "FROM scratch\n", args: ["--shm-size", "big"], code: 2, message: /big/ },
  {
    name: "a Dockerfile that is not there",
    dockerfile: "FROM scratch\n",
    args: ["-f", "absent.Dockerfile"],
    code: 3,
    message: /absent\.Dockerfile: no such file or directory/,
  },
  {
    name: "a secret's file that is not there",
    dockerfile: "FROM varve.test/busybox:1\nRUN --mount=type=secret,id=x true\n",
    args: ["--secret", "id=x,src=/dev/null/at/all"],
    code: 2,
    message: /\/dev\/null\/at/,
  },
  {
    name: "a place for the image that is none",
    dockerfile: "FROM scratch\nCOPY Dockerfile /\n",
    args: ["-o", "type=oci,dest=/dev/null/at/all.tar"],
    code: 5,
    message: /\/dev\/null\/at/,
  },
  {
    name: "a place for its digest that is none",
    dockerfile: "FROM scratch\nCOPY Dockerfile /\n",
    args: ["--iidfile", "/dev/null/at/all"],
    code: 5,
    message: /\/dev\/null\/at/,
  },
];

describe("what is wrong with a build is said, and leaves the store as it was", { skip }, () => {
  let varve: Varve;
  let facts: StoreFacts;

  before(async () => {
    varve = await Varve.open();
    await busyboxImage(varve);
    await varve.build([
      "-o",
      "type=cacheonly",
      await varve.files("warm", { Dockerfile: "FROM varve.test/busybox:1\nRUN true\n" }),
    ]);
    facts = await storeFacts(varve.root);
  });
  after(async () => await varve[Symbol.asyncDispose]());

  for (const [index, { name, dockerfile, args = [], files = {}, code, message }] of WRONG.entries()) {
    test(name, async () => {
      const folder = await varve.files(`wrong-${index}`, { Dockerfile: dockerfile, ...files });
      const outcome = await varve.tryBuild([...args, folder]);
      assert.match(outcome.stderr, message);
      assert.equal(outcome.code, code, outcome.stderr);
      assert.doesNotMatch(outcome.stderr, /bug in varve|\n {4}at /);
      assert.match(outcome.stderr, /^ERROR: /m);
      const now = await storeFacts(varve.root);
      assert.deepEqual(now.leftovers, facts.leftovers);
      // What steps before the wrong one made may stay, to be used by the next build; nothing else.
      assert.deepEqual(now.images, facts.images);
      assert.deepEqual(now.missing, []);
    });
  }

  test("a context that is not there, or is a file", async () => {
    const folder = await varve.files("not-a-context", { file: "" });
    const absent = await varve.tryBuild([join(folder, "absent")]);
    assert.equal(absent.code, 3, absent.stderr);
    assert.match(absent.stderr, /absent/);
    const file = await varve.tryBuild([join(folder, "file")]);
    assert.equal(file.code, 3, file.stderr);
    const none = await varve.run(["build"]);
    assert.equal(none.code, 2);
    const two = await varve.run(["build", folder, folder]);
    assert.equal(two.code, 2);
  });

  test("a link out of the context is not followed", async () => {
    const outside = await varve.files("outside-context", { secret: "s" });
    const folder = await varve.files("leaky", { Dockerfile: "FROM scratch\nCOPY link/secret /\n" });
    await symlink(outside, join(folder, "link"));
    const outcome = await varve.tryBuild([folder]);
    assert.equal(outcome.code, 3, outcome.stderr);
  });

  test("no runtime on the machine", async () => {
    // In a mount namespace of its own, the machine has none.
    const hide = 'for r in crun runc; do p=$(command -v $r) && mount --bind /dev/null $p; done; exec "$@"';
    const wrapper = ["unshare", "--mount", "sh", "-c", hide, "sh"];
    const folder = await varve.files("no-runtime", { Dockerfile: "FROM varve.test/busybox:1\nRUN echo new\n" });
    const outcome = await varve.tryBuild([folder], { wrapper });
    assert.equal(outcome.code, 5, outcome.stderr);
    assert.match(outcome.stderr, /crun/);
    const copies = await varve.files("copies-only", { Dockerfile: "FROM varve.test/busybox:1\nCOPY Dockerfile /\n" });
    assert.equal((await varve.tryBuild([copies], { wrapper })).code, 0, "copying needs no runtime");
  });

  test("after all that, the store still builds", async () => {
    const folder = await varve.files("fine", { Dockerfile: "FROM varve.test/busybox:1\nRUN echo fine > /fine\n" });
    assert.equal((await varve.make([folder])).text("fine"), "fine\n");
  });
});
