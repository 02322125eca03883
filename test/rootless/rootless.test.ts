/** What works as root works as an ordinary user who has subordinate ids, and makes the same images. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { collect } from "../../src/io/index.ts";
import { type TarInput, writeTar } from "../../src/layer/index.ts";
import { type OrdinaryUser, ordinaryUser } from "../../testing/ordinary-user.ts";
import { untilMatched } from "../../testing/progress.ts";
import { registryMissing, startRegistry } from "../../testing/registry-server.ts";
import { type RunOptions, Varve, buildsUnavailable, finished } from "../../testing/varve.ts";

const found = ordinaryUser();
const skip = typeof found === "string" ? found : (buildsUnavailable() ?? false);
const user = found as OrdinaryUser;
const FULL = process.env["VARVE_TEST_FULL"] === "1";
const EPOCH = ["--build-arg", "SOURCE_DATE_EPOCH=1700000000"];
const CAPABILITY = Buffer.from("0100000200200000000000000000000000000000", "hex");

/** A tree with everything whose owner or attributes a user namespace maps. */
const TREE: readonly TarInput[] = [
  { path: "d", type: "directory", mode: 0o750, uid: 33, gid: 65_534 },
  { path: "d/f", body: "content", mode: 0o640, uid: 65_534, gid: 7 },
  { path: "d/hard", type: "hardlink", linkPath: "d/f" },
  { path: "capable", body: "x", mode: 0o755, xattrs: new Map([["security.capability", CAPABILITY]]) },
  { path: "set-id", body: "y", mode: 0o4755, uid: 5, gid: 5 },
  { path: "pipe", type: "fifo", mode: 0o600 },
  { path: "link", type: "symlink", linkPath: "d/f", uid: 12, gid: 12 },
];

const DOCKERFILE = `FROM scratch
COPY --chmod=755 busybox /bin/busybox
COPY passwd group /etc/
RUN ["/bin/busybox", "--install", "-s", "/bin"]
ADD tree.tar /tree/
RUN mkdir -m 1777 /tmp && mkdir /gone /kept && echo 1 > /gone/f && echo 2 > /kept/f && mv /tree/capable /tree/moved
RUN rm -r /gone && mkdir /gone && rm /kept/f && chown 65534:65534 /kept && echo 3 > /kept/a && ln /kept/a /kept/b
COPY --chown=alice:33 passwd /home/alice/
USER alice
WORKDIR /work
RUN id -u > /work/id && mkfifo /work/pipe && touch /work/file && chmod 2755 /work/file
`;

/** The part without files of others. */
const BASE = DOCKERFILE.slice(0, DOCKERFILE.indexOf("ADD "));

async function contextOf(varve: Varve, dockerfile: string, name = "app"): Promise<string> {
  const folder = await varve.context(name, dockerfile, {
    passwd: "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n",
    group: "root:x:0:\nalice:x:1000:\n",
  });
  copyFileSync("/bin/busybox", join(folder, "busybox"));
  writeFileSync(join(folder, "tree.tar"), await collect(writeTar(TREE), 1_000_000, { what: "tree" }));
  return folder;
}

async function digestOf(varve: Varve, args: readonly string[], options: RunOptions = {}): Promise<unknown> {
  const output = `type=oci,dest=${join(varve.folder, "image.tar")},rewrite-timestamp=true`;
  const { metadata } = await varve.build([...EPOCH, "-o", output, ...args], options);
  assert.match(String(metadata["containerimage.digest"]), /^sha256:/);
  return metadata["containerimage.digest"];
}

describe("an ordinary user", { skip }, () => {
  let varve: Varve;
  let base: string;

  before(async () => {
    varve = await Varve.open({ user });
    base = "varve.test/base:1";
    await varve.build(["-t", base, await contextOf(varve, BASE, "base")]);
  });
  after(async () => await varve[Symbol.asyncDispose]());

  const made = async (dockerfile: string, args: readonly string[] = [], files = {}, options: RunOptions = {}) =>
    await varve.make([...args, await varve.context("made", `FROM ${base}\n${dockerfile}`, files)], options);

  test("makes the same image as root, by overlays and by copies", async () => {
    await using root = await Varve.open();
    const wanted = await digestOf(root, [await contextOf(root, DOCKERFILE)]);
    const context = await contextOf(varve, DOCKERFILE);
    assert.equal(await digestOf(varve, [context]), wanted);
    if (!FULL) return;
    const copies = { VARVE_ROOT: join(varve.folder, "copies"), VARVE_SNAPSHOTTER: "copy" };
    assert.equal(await digestOf(varve, [context], { env: copies }), wanted);
  });

  test("keeps what the image deletes deleted, for who pulls it", async () => {
    const { files, manifest } = await made(
      "RUN mkdir /d && echo 1 > /d/f && echo 1 > /e\nRUN rm -rf /d /e && mkdir /d",
      [],
    );
    assert.deepEqual(
      [...files.keys()].filter((path) => /^[de]\b/.test(path)),
      ["d"],
    );
    assert.ok(manifest.layers.length >= 2);
  });

  test("has every kind of mount, users, and no network where none is wanted", async () => {
    const dockerfile = `RUN --mount=type=cache,target=/c,uid=1000 --mount=type=tmpfs,target=/t,size=1m --mount=type=bind,target=/b \\
  --mount=type=secret,id=s,uid=1000,mode=0400 --mount=type=secret,id=s,env=S --network=none \\
  cat /b/file > /c/kept && cat /run/secrets/s > /secret && echo "$S" >> /secret && df /t | grep -c tmpfs >> /secret && ls /sys/class/net > /net
USER 1000:7
WORKDIR /home/alice
RUN --mount=type=cache,target=/c,uid=1000 id -u > id && id -g >> id && cat /c/kept >> id && touch /c/mine`;
    const built = await made(
      dockerfile,
      ["--secret", "id=s,env=S"],
      { file: "of the context\n" },
      { env: { S: "secret" } },
    );
    assert.equal(built.text("secret"), "secretsecret\n1\n");
    assert.equal(built.text("net"), "lo\n");
    assert.equal(built.text("home/alice/id"), "1000\n7\nof the context\n");
    assert.equal(built.files.get("home/alice/id")?.owner, "1000:7");
  });

  test("says which owner the namespace lacks, and what to do", async () => {
    const context = await varve.context("owner", `FROM ${base}\nCOPY --chown=70000 file /file\nRUN ls /file\n`, {
      file: "x",
    });
    const { code, stderr } = await varve.tryBuild([context]);
    assert.equal(code, 5, stderr);
    assert.match(stderr, /Cannot give a file to user id 70000: the user namespace has the user ids 0 to \d+/);
    assert.match(stderr, /hint: Add at least \d+ ids to \/etc\/subuid/);
  });

  test("gets one warning about limits for a build", async () => {
    const steps = "RUN echo 1 > /1\nRUN echo 2 > /2\n";
    const { stderr } = await made(steps, ["--memory", "64m"]);
    assert.ok([...stderr.matchAll(/Cannot limit memory/g)].length <= 1, stderr);
    assert.doesNotMatch(stderr, /control group|restrict devices/);
  });

  test("has a store of its own, which no other user can look into", () => {
    assert.equal(statSync(varve.root).mode & 0o777, 0o700);
    assert.equal(statSync(varve.root).uid, user.uid);
  });

  test("prunes, lists and removes what belongs to other ids", async () => {
    const env = { VARVE_ROOT: join(varve.folder, "pruned") };
    const dockerfile = 'FROM scratch\nCOPY busybox /busybox\nRUN ["/busybox", "chown", "33:33", "/busybox"]\n';
    await varve.build(["-t", "pruned:1", await contextOf(varve, dockerfile, "pruned-context")], { env });
    for (const args of [
      ["rmi", "pruned:1"],
      ["prune", "--all"],
    ]) {
      const { code, stderr } = await varve.run(args, { env });
      assert.equal(code, 0, stderr);
    }
    const { stdout } = await varve.run(["du", "--format", "json"], { env });
    assert.deepEqual(JSON.parse(stdout), []);
  });

  test("cannot use a store with other ids, nor can root", async () => {
    await using root = await Varve.open();
    const { code, stderr } = await root.run(["images"], { env: { VARVE_ROOT: varve.root } });
    assert.equal(code, 5, stderr);
    assert.match(
      stderr,
      /its files were written in a user namespace with the ids 0:\d+:1,1:\d+:65536, and this is no user/,
    );
    const none = await varve.run(["images"], { env: { VARVE_ISOLATION: "none" } });
    assert.equal(none.code, 5, none.stderr);
  });

  test("doctor finds that builds work, and how they are isolated", async () => {
    const { code, stdout } = await varve.run(["doctor"]);
    assert.equal(code, 0, stdout);
    assert.match(stdout, /^ok +isolation +user namespace \(65537 ids\)$/m);
    assert.match(stdout, /^ok +proc +own$/m);
    assert.match(stdout, /^ok +RUN +a step ran/m);
  });

  test("doctor says what forbids user namespaces, and a step of its own /proc", async () => {
    const doctor = async (...wrapper: readonly string[]): Promise<string> => {
      const { code, stdout } = await varve.run(["--root", join(varve.folder, "none"), "doctor"], { wrapper });
      assert.equal(code, 5, stdout);
      return stdout;
    };
    const noPrivileges = await doctor("setpriv", "--no-new-privs");
    assert.match(noPrivileges, /^missing +isolation +none\n +newuidmap has no effect under no_new_privs/m);
    const cover = 'mount -t tmpfs none /proc/tty && exec "$@"';
    const covered = await doctor("unshare", "--mount", "sh", "-c", cover, "sh");
    assert.match(covered, /^missing +proc +refused\n +parts of \/proc are covered/m);
    assert.match(covered, /^missing +RUN +Cannot run steps: .*\n.*\n +To fix: Parts of \/proc are covered/m);
  });

  test("exit codes, signals and descriptors pass through", async () => {
    assert.equal((await varve.run(["no-such-command"])).code, 2);
    const failing = await varve.tryBuild([await varve.context("failing", `FROM ${base}\nRUN exit 3\n`)]);
    assert.equal(failing.code, 1);
    const slow = varve.start([
      "build",
      "--progress=plain",
      await varve.context("slow", `FROM ${base}\nRUN echo begun; sleep 600\n`),
    ]);
    await untilMatched(slow, / begun$/m);
    slow.kill("SIGINT");
    const [code] = (await once(slow, "exit")) as [number | null];
    assert.equal(code, 130);
    const secret = join(varve.folder, "secret");
    writeFileSync(secret, "by descriptor\n");
    const script = 'exec "$@" --secret id=s,src=/dev/fd/9 9<"$0"';
    const folder = await varve.context("descriptor", `FROM ${base}\nRUN --mount=type=secret,id=s cat /run/secrets/s\n`);
    const read = await varve.run(["build", "--progress=plain", folder], { wrapper: ["sh", "-c", script, secret] });
    assert.match(read.stderr, / by descriptor$/m);
  });

  test("a killed command leaves no process of its step", async () => {
    const mark = `left-${process.pid}`;
    const folder = await varve.context("killed", `FROM ${base}\nRUN echo begun; sh -c "sleep 600; : ${mark}"\n`);
    const child = varve.start(["build", "--progress=plain", folder]);
    await untilMatched(child, / begun$/m);
    child.kill("SIGKILL");
    const isLeft = (): boolean => spawnSync("pgrep", ["-f", `sleep 600; : ${mark}`]).status === 0;
    while (isLeft()) await new Promise((done) => setTimeout(done, 50));
  });

  test("a server in the namespace executes commands of the user outside", async () => {
    const socket = join(varve.folder, "docker.sock");
    const server = varve.start(["serve", "--docker", `unix://${socket}`]);
    try {
      for await (const line of server.stdout as AsyncIterable<Buffer>) if (line.includes("listen on")) break;
      while (!existsSync(join(varve.root, "command.sock"))) await new Promise((done) => setTimeout(done, 20));
      assert.equal(statSync(socket).mode & 0o777, 0o600);
      const trace = join(varve.folder, "trace");
      const options = { wrapper: ["strace", "-f", "-qq", "-e", "trace=execve", "-o", trace] };
      const folder = await varve.context("served", `FROM ${base}\nRUN id -u > /served\n`);
      const { code, stderr } = await varve.run(["build", "-q", folder], options);
      assert.equal(code, 0, stderr);
      assert.doesNotMatch(readFileSync(trace, "utf8"), /unshare|newuidmap/);
    } finally {
      server.kill("SIGTERM");
      if (server.exitCode === null) await once(server, "exit");
    }
  });

  test("a remote cache is written and read", { skip: registryMissing() ?? false }, async () => {
    await using registry = await startRegistry();
    const image = `${registry.host}/app:cache`;
    const folder = await contextOf(varve, `${BASE}RUN mkdir /made && date > /made/now\n`, "cached");
    await varve.build(["--cache-to", `type=registry,ref=${image},mode=max`, folder]);
    const env = { VARVE_ROOT: join(varve.folder, "elsewhere") };
    const { steps } = await varve.build(["--cache-from", `type=registry,ref=${image}`, folder], { env });
    assert.equal(steps.find(({ name }) => name.includes("date"))?.status, "hit");
  });

  test("the contracts of runners and snapshots hold in the namespace", { timeout: 600_000 }, async () => {
    const runners = FULL ? ["src/exec/crun.test.ts", "src/exec/runc.test.ts"] : [];
    const files = ["src/snapshot/snapshotter.test.ts", ...runners];
    const [program = "", ...wrapper] = user.wrapper;
    const node = [process.execPath, "testing/enter.ts", process.execPath, "--test", "--test-reporter=tap", ...files];
    const child = spawn(program, [...wrapper, ...node], { env: user.env, stdio: ["pipe", "pipe", "pipe"] });
    const { code, stdout } = await finished(child);
    assert.equal(
      code,
      0,
      stdout
        .split("\n")
        .filter((line) => /^\s*not ok/.test(line))
        .join("\n") + stdout.slice(-4000),
    );
    assert.ok(Number(/^# pass (\d+)$/m.exec(stdout)?.[1]) >= 30, stdout.slice(-500));
  });
});

describe("an ordinary user with one id", { skip }, () => {
  test("builds what needs no other, if that is asked for, and is told what fails", async () => {
    await using varve = await Varve.open({ user });
    const isolated = ["--isolation=userns-single"];
    const build = async (dockerfile: string) =>
      await varve.run([...isolated, "build", "--progress=plain", await contextOf(varve, dockerfile)]);

    const built = await build(`${BASE}RUN echo $(id -u) $(stat -c %u /etc/passwd)\n`);
    assert.equal(built.code, 0, built.stderr);
    assert.match(built.stderr, /^WARNING: This user namespace has one user id/m);
    assert.match(built.stderr, / 0 0$/m);
    const foreign = await build(`${BASE}ADD tree.tar /tree/\n`);
    assert.equal(foreign.code, 5, foreign.stderr);
    assert.match(foreign.stderr, /Cannot give a file to (?:user|group) id \d+: .* ids 0 to 0/);
  });
});
