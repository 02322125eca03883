import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { readdirSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Leftovers, findLeftovers } from "../../testing/leftovers.ts";
import { storeFacts } from "../../testing/store-facts.ts";
import { type Outcome, Varve, buildsUnavailable, busyboxImage, finished, sh } from "../../testing/varve.ts";

const skip = buildsUnavailable() ?? false;
const NOWHERE = ["-o", "type=cacheonly"];

/** Waits until a step of a build has printed "started-here", or the build has ended. */
async function stepStarted(child: ChildProcess, ended: Promise<Outcome>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let seen = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    seen += chunk.toString();
    if (/^#\d+ [\d.]+ started-here/m.test(seen)) resolve();
  });
  await Promise.race([promise, ended]);
}

/** Starts a build whose step prints `mark` and sleeps; resolves once it has printed it. */
async function sleeping(varve: Varve, mark: string): Promise<{ child: ChildProcess; ended: Promise<Outcome> }> {
  const dockerfile = `FROM varve.test/busybox:1\nENV MARK=${mark}\nRUN echo started-here && sleep 600 & sleep 600; echo not reached\n`;
  const folder = await varve.files(mark, { Dockerfile: dockerfile });
  const child = varve.start(["build", "--progress=plain", ...NOWHERE, folder]);
  const ended = finished(child);
  await stepStarted(child, ended);
  assert.equal(child.exitCode, null);
  return { child, ended };
}

/** Not what a killed build's lease keeps until it expires. */
function lasting(leftover: string): boolean {
  return !/^(?:lease|active snapshot) /.test(leftover);
}

/** Waits until no process, mount or control group of a build is left, and returns those that are after that time all the same. */
async function leftOf(varve: Varve, mark: string, pid: number): Promise<Omit<Leftovers, "files">> {
  for (let attempt = 0; ; attempt += 1) {
    const query = { marks: [mark, varve.folder], stateDir: join(varve.root, "run"), pid };
    const { processes, mounts, cgroups } = findLeftovers(query);
    if (processes.length + mounts.length === 0 || attempt === 100) return { processes, mounts, cgroups };
    await sleep(20);
  }
}

const NOTHING = { processes: [], mounts: [], cgroups: [] };

describe("several processes, and processes that end early", { skip }, () => {
  let varve: Varve;

  before(async () => {
    varve = await Varve.open();
    await busyboxImage(varve);
  });
  after(async () => await varve[Symbol.asyncDispose]());

  test("two builds of the same at once", async () => {
    const dockerfile = "FROM varve.test/busybox:1\nCOPY a /a\nRUN sleep 0.3; cat /a > /b\nRUN cat /b > /c\n";
    const folder = await varve.files("twins", { Dockerfile: dockerfile, a: "a" });
    const both = await Promise.all([varve.make([folder]), varve.make([folder])]);
    for (const made of both) assert.equal(made.text("c"), "a");
    assert.ok((await varve.build([...NOWHERE, folder])).steps.every((step) => step.status === "hit"));
    const facts = await storeFacts(varve.root, { verify: true });
    assert.deepEqual([facts.missing, facts.leftovers], [[], []]);
  });

  test("builds of different things that share steps, and of one base in several", async () => {
    const shared = "FROM varve.test/busybox:1\nRUN sleep 0.2; echo shared > /shared\n";
    const folders = await Promise.all(
      ["x", "y", "z"].map((name) =>
        varve.files(`share-${name}`, { Dockerfile: `${shared}RUN echo ${name} > /own\nCOPY f /f\n`, f: name }),
      ),
    );
    const all = await Promise.all(folders.map((folder) => varve.make([folder])));
    assert.deepEqual(
      all.map((made) => [made.text("shared"), made.text("own"), made.text("f")]),
      ["x", "y", "z"].map((name) => ["shared\n", `${name}\n`, name]),
    );
    const facts = await storeFacts(varve.root, { verify: true });
    assert.deepEqual([facts.missing, facts.leftovers], [[], []]);
  });

  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    test(`${signal} during a step ends the build soon, and leaves nothing`, async () => {
      const mark = `varve-mark-${signal.toLowerCase()}`;
      const { child, ended } = await sleeping(varve, mark);
      const sent = performance.now();
      child.kill(signal);
      const outcome = await ended;
      assert.equal(outcome.code, 130, outcome.stderr);
      assert.ok(performance.now() - sent < 5000, "it took long");
      assert.match(outcome.stderr, new RegExp(`interrupted by ${signal}`));
      assert.doesNotMatch(outcome.stderr, /bug in varve/);
      assert.deepEqual(await leftOf(varve, mark, child.pid ?? 0), NOTHING);
      assert.deepEqual((await storeFacts(varve.root)).leftovers, []);
    });
  }

  test("a build that is killed takes its step with it, and the next one cleans up", async () => {
    const mark = "varve-mark-killed";
    const { child, ended } = await sleeping(varve, mark);
    child.kill("SIGKILL");
    assert.equal((await ended).signal, "SIGKILL");
    const { processes, mounts } = await leftOf(varve, mark, child.pid ?? 0);
    assert.deepEqual([processes, mounts], [[], []]);
    const folder = await varve.files("after-kill", {
      Dockerfile: "FROM varve.test/busybox:1\nRUN echo next > /next\n",
    });
    assert.equal((await varve.make([folder])).text("next"), "next\n");
    assert.deepEqual(await leftOf(varve, mark, child.pid ?? 0), NOTHING);
    const { leftovers, missing } = await storeFacts(varve.root);
    assert.deepEqual(leftovers.filter(lasting), []);
    assert.deepEqual(missing, []);
  });

  for (const signal of ["SIGINT", "SIGKILL"] as const) {
    test(`whenever ${signal} comes, what is kept is whole`, async () => {
      const big = (fill: number): Uint8Array => new Uint8Array(3_000_000).fill(fill);
      const folder = await varve.files(`whenever-${signal}`, {
        Dockerfile:
          "FROM varve.test/busybox:1\nCOPY big /big\nRUN --mount=type=cache,target=/c echo x >> /c/log; cp /big /too\nCOPY small /small\n",
        small: "s",
      });
      for (const moment of [250, 400, 550, 700, 850, 1000]) {
        await writeFile(join(folder, "big"), big(moment % 256));
        const child = varve.start(["build", "--progress=plain", "-t", "varve.test/whenever", folder]);
        const ended = finished(child);
        await sleep(moment);
        child.kill(signal);
        const outcome = await ended;
        assert.doesNotMatch(outcome.stderr, /bug in varve/);
        // A signal may come before the command can hear it, or after its work is done.
        const known = outcome.code === 130 || outcome.code === 0 || outcome.signal === signal;
        assert.ok(known, `${outcome.code} ${outcome.signal} ${outcome.stderr}`);
        const { missing, leftovers } = await storeFacts(varve.root, { verify: true });
        assert.deepEqual(missing, []);
        if (signal === "SIGINT") assert.deepEqual(leftovers.filter(lasting), []);
      }
      const made = await varve.make([folder]);
      assert.deepEqual(Buffer.from(made.text("too")), Buffer.from(Buffer.from(big(1000 % 256)).toString()));
    });
  }

  test("steps that lock a cache mount wait for each other, across processes", async () => {
    const step = "test ! -e /c/busy && touch /c/busy && sleep 0.4 && rm /c/busy";
    const folders = await Promise.all(
      ["1", "2", "3"].map((n) =>
        varve.files(`locked-${n}`, {
          Dockerfile: `FROM varve.test/busybox:1\nRUN --mount=type=cache,id=lock,target=/c,sharing=locked : ${n}; ${step}\n`,
        }),
      ),
    );
    await Promise.all(folders.map((folder) => varve.build([...NOWHERE, folder])));
  });

  test("pruning while others build", async () => {
    const folder = await varve.files("busy", { Dockerfile: "", f: "" });
    const pruning = new AbortController();
    const prunes = (async () => {
      let count = 0;
      while (!pruning.signal.aborted) {
        const outcome = await varve.run(["prune", "--all"]);
        assert.equal(outcome.code, 0, outcome.stderr);
        count += 1;
      }
      return count;
    })();
    try {
      for (const round of [1, 2, 3, 4]) {
        await writeFile(join(folder, "f"), String(round % 2));
        await writeFile(
          join(folder, "Dockerfile"),
          `FROM varve.test/busybox:1 AS a\nCOPY f /f\nRUN cat /f > /g && sleep 0.1\nFROM varve.test/busybox:1\nCOPY --from=a /g /h\nRUN cat /h > /i\n`,
        );
        const made = await varve.make(["--load", "-t", "varve.test/busy", folder]);
        assert.equal(made.text("i"), String(round % 2));
      }
    } finally {
      pruning.abort();
    }
    assert.ok((await prunes) > 0);
    const facts = await storeFacts(varve.root, { verify: true });
    assert.deepEqual(facts.missing, []);
    const used = await varve.files("use", { Dockerfile: "FROM varve.test/busy\nRUN cat /i > /j\n" });
    assert.equal((await varve.make([used])).text("j"), "0");
  });
});

test("pruning after a kill gives back what the killed build had made, and counts it", { skip }, async () => {
  await using varve = await Varve.open();
  await busyboxImage(varve);
  const big = 3 * 1_048_576;
  const folder = await varve.files("killed", {
    Dockerfile:
      "FROM varve.test/busybox:1\nCOPY big /big\nRUN --mount=type=cache,target=/c cp /big /too && echo started-here && sleep 600\n",
    big: new Uint8Array(big).fill(1),
  });
  await sh("tar", "-C", folder, "-cf", join(varve.folder, "context.tar"), ".");
  const child = varve.start(["build", "--progress=plain", ...NOWHERE, "-"]);
  const ended = finished(child, await readFile(join(varve.folder, "context.tar")));
  await stepStarted(child, ended);
  assert.equal((await varve.run(["rmi", "varve.test/busybox:1"])).code, 0);
  const during = await varve.run(["prune", "--all"]);
  assert.equal(during.code, 0, during.stderr);
  assert.notDeepEqual(readdirSync(join(varve.root, "tmp")), []);
  child.kill("SIGKILL");
  assert.equal((await ended).signal, "SIGKILL");

  const pruned = await varve.run(["prune", "--all", "--format", "json"]);
  assert.equal(pruned.code, 0, pruned.stderr);
  const { reclaimed } = JSON.parse(pruned.stdout) as { reclaimed: number };
  // The context, the layer of COPY and that of RUN.
  assert.ok(reclaimed >= 3 * big, `${reclaimed} bytes`);
  const { images, records, blobs, snapshots, leftovers } = await storeFacts(varve.root);
  assert.deepEqual([images, records, blobs, snapshots, leftovers], [[], [], [], [], []]);
  const folders = ["tmp", "mounts", "locks", "snapshots", "content/ingest", "content/writers", "content/trash"];
  const files = folders.flatMap((path) => readdirSync(join(varve.root, path)).map((name) => join(path, name)));
  assert.deepEqual(files, ["locks/making", "snapshots/empty"]);
  assert.deepEqual(
    readdirSync(join(varve.root, "run")).filter((name) => !/^lock$|\.bpf$/.test(name)),
    [],
  );
});

test("pruning a root that nothing uses empties it", { skip }, async () => {
  await using varve = await Varve.open();
  const base = await busyboxImage(varve);
  const folder = await varve.files("all", {
    Dockerfile: `FROM ${base}\nRUN --mount=type=cache,target=/c echo x > /c/x\nCOPY f /f\n`,
    f: "f",
  });
  await varve.build(["-t", "varve.test/all", folder]);
  await varve.run(["prune", "--all"]);
  assert.equal((await storeFacts(varve.root)).images.length, 2);
  await varve.build([...NOWHERE, await varve.files("on-top", { Dockerfile: "FROM varve.test/all\nRUN cat /f\n" })]);
  for (const name of ["varve.test/all", base]) assert.equal((await varve.run(["rmi", name])).code, 0);
  const pruned = await varve.run(["prune", "--all", "--format", "json"]);
  assert.equal(pruned.code, 0, pruned.stderr);
  assert.ok((JSON.parse(pruned.stdout) as { reclaimed: number }).reclaimed > 0);
  const { images, records, blobs, snapshots, leftovers } = await storeFacts(varve.root);
  assert.deepEqual(
    { images, records, blobs, snapshots, leftovers },
    {
      images: [],
      records: [],
      blobs: [],
      snapshots: [],
      leftovers: [],
    },
  );
  const files = ["content/blobs/sha256", "snapshots"].flatMap((path) =>
    readdirSync(join(varve.root, path), { recursive: true, encoding: "utf8" }),
  );
  assert.deepEqual(
    files.filter((name) => /\d/.test(name)),
    [],
  );
  await busyboxImage(varve);
});
