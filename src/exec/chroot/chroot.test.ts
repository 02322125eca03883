import assert from "node:assert/strict";
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { CHROOTS } from "../../../testing/chroots.ts";
import { type Bench, hasCode, openBench } from "../../../testing/contracts/runner-bench.ts";
import { runnerContract } from "../../../testing/contracts/runner.ts";
import { NOTHING_LEFT, findLeftovers, processesOf } from "../../../testing/leftovers.ts";
import { temporaryDirectory } from "../../io/index.ts";
import { landlockVersion } from "../../linux/index.ts";
import { returnMoved } from "./moved.ts";

runnerContract("chroot", CHROOTS);

function check(what: string, body: (bench: Bench) => Promise<void>): void {
  test(what, { skip: CHROOTS.unavailable ?? false, timeout: 60_000 }, async () => {
    await using bench = await openBench(CHROOTS);
    await body(bench);
    const { mark, stateDir, rootfs } = bench;
    assert.deepEqual(findLeftovers({ marks: [mark, stateDir, rootfs], stateDir, pid: process.pid }), NOTHING_LEFT);
  });
}

/** Fields of the state of a step's process, while it runs. */
async function stateOf({ runner, spec, mark }: Bench, user: string): Promise<(field: string) => string | undefined> {
  let status = "";
  const stop = new AbortController();
  const onOutput = (): void => {
    if (status === "") status = readFileSync(`/proc/${processesOf(mark)[0]}/status`, "utf8");
    stop.abort();
  };
  const run = runner.run(spec(["sh", "-c", "echo; sleep 60"], { user, onOutput }), { signal: stop.signal });
  await assert.rejects(run, hasCode("cancelled"));
  return (field) => new RegExp(`^${field}:\\s*(.*)$`, "m").exec(status)?.[1];
}

check("root has Docker's capabilities but those that lead out, and other users have none", async (bench) => {
  const root = await stateOf(bench, "");
  const capabilities = "00000000800025fb";
  assert.deepEqual(
    [root("CapEff"), root("CapPrm"), root("CapBnd"), root("CapInh"), root("CapAmb"), root("NoNewPrivs")],
    [capabilities, capabilities, capabilities, "0".repeat(16), "0".repeat(16), "1"],
  );
  const alice = await stateOf(bench, "alice");
  assert.deepEqual(
    [alice("CapEff"), alice("CapPrm"), alice("CapBnd"), alice("NoNewPrivs"), alice("Groups")?.trim()],
    ["0".repeat(16), "0".repeat(16), capabilities, "0", "1000 2000"],
  );
});

check("what is mounted only for reading is a copy, and what is writable is the thing itself", async ({ sh }) => {
  await using outside = await temporaryDirectory();
  const at = (name: string): string => join(outside.path, name);
  for (const name of ["rw", "ro"]) mkdirSync(at(name), { mode: 0o711 });
  for (const name of ["rw/file", "ro/file", "one"]) writeFileSync(at(name), "content");
  linkSync(at("ro/file"), at("ro/hard"));
  const { ino } = statSync(at("rw"));
  const mounts = [
    { kind: "bind", target: "/a/rw", source: at("rw") },
    { kind: "bind", target: "/a/ro", source: at("ro"), readonly: true },
    { kind: "bind", target: "/one", source: at("one"), readonly: true },
  ] as const;
  const script =
    "cat /a/rw/file /a/ro/hard /one; stat -c ' %h %a' /a/ro/file /a/rw; for f in /a/rw /a/ro; do echo new > $f/new; rm $f/file; done; echo x > /one";
  const { stdout, stderr } = await sh(script, { mounts });
  assert.deepEqual([stdout, stderr], ["contentcontentcontent 2 644\n 3 711\n".replace(" 3 711", " 2 711"), ""]);
  assert.deepEqual(readdirSync(at("rw")), ["new"]);
  assert.deepEqual(readdirSync(at("ro")).toSorted(), ["file", "hard"]);
  assert.deepEqual([statSync(at("rw")).ino, readFileSync(at("one"), "utf8")], [ino, "content"]);
});

check("secrets, caches and generated files are found and taken out wherever a step has moved them", async (bench) => {
  const { sh, rootfs } = bench;
  await using cache = await temporaryDirectory();
  writeFileSync(join(rootfs, "etc/hosts"), "of the image");
  symlinkSync("../run/resolv.conf", join(rootfs, "etc/resolv.conf"));
  const before = lstatSync(join(rootfs, "etc/hosts"));
  const content = Buffer.from("sesame");
  const script = `cat /run/secrets/key; stat -c ' %u:%g:%a' /run/secrets/key; mv /run/secrets /kept; mv /cache /elsewhere
echo mine > /elsewhere/file; rm /etc/hosts; echo other > /etc/hosts; mv /kept/key /kept/other; ls -a / | grep -c aside`;
  const { stdout } = await sh(script, {
    mounts: [
      { kind: "secret", target: "/run/secrets/key", content, uid: 1000, gid: 2000, mode: 0o440 },
      { kind: "bind", target: "/cache", source: cache.path },
    ],
  });
  assert.equal(stdout, "sesame 1000:2000:440\n0\n");
  assert.deepEqual(readdirSync(join(rootfs, "kept")), []);
  assert.deepEqual(readdirSync(cache.path), ["file"]);
  assert.ok(!existsSync(join(rootfs, "elsewhere")));
  const after = lstatSync(join(rootfs, "etc/hosts"));
  assert.deepEqual(
    [after.ino, after.mtimeMs, readFileSync(join(rootfs, "etc/hosts"), "utf8")],
    [before.ino, before.mtimeMs, "of the image"],
  );
  assert.ok(lstatSync(join(rootfs, "etc/resolv.conf")).isSymbolicLink());
});

check("what the image has where something is placed returns with its times", async ({ sh, rootfs }) => {
  const [old, made] = [join(rootfs, "old"), join(rootfs, "dev")];
  for (const directory of [old, made, join(rootfs, "proc"), join(rootfs, "sys")]) mkdirSync(directory);
  writeFileSync(join(old, "file"), "");
  writeFileSync(join(made, "own"), "");
  for (const directory of [old, made, rootfs]) utimesSync(directory, 1_000_000_000, 1_000_000_000);
  const mounts = [{ kind: "tmpfs", target: "/old" }] as const;
  const { stdout } = await sh("ls /old; test -e /dev/own; echo $?; echo x > /dev/null; : > /old/new; ls /dev", {
    mounts,
  });
  assert.equal(stdout, "1\nfd\nfull\nnull\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero\n");
  assert.deepEqual([readdirSync(old), readdirSync(made)], [["file"], ["own"]]);
  for (const directory of [old, made, rootfs]) assert.equal(statSync(directory).mtimeMs, 1_000_000_000_000, directory);
});

check("names, limits of processes and name servers are given", async ({ sh }) => {
  const { stdout } = await sh("ulimit -n; ulimit -Hn; grep maker /etc/hosts; cat /etc/resolv.conf /etc/hostname", {
    hostname: "maker",
    hostnameFile: true,
    dns: { servers: ["9.9.9.9"] },
    ulimits: [{ name: "nofile", soft: 100, hard: 200 }],
  });
  assert.equal(stdout, "100\n200\n127.0.0.1\tlocalhost maker\nnameserver 9.9.9.9\nmaker\n");
});

check("what needs namespaces is refused, and what is only smaller is warned of", async ({ sh }) => {
  for (const options of [{ network: "none" }, { security: "insecure" }, { terminal: true }] as const)
    await assert.rejects(sh("true", options), hasCode("unsupported"));
  const { warnings } = await sh("true", { limits: { memory: 1_000_000 }, shmSize: 1_048_576 });
  assert.equal(warnings.length, 2);
});

check("steps that have one cache wait for each other", async ({ sh }) => {
  await using cache = await temporaryDirectory();
  const mounts = [{ kind: "bind", target: "/cache", source: cache.path }] as const;
  const script = "test ! -e /cache/busy && : > /cache/busy && sleep 0.05 && rm /cache/busy && echo x >> /cache/log";
  const ended = await Promise.all([1, 2, 3].map(() => sh(script, { mounts })));
  assert.deepEqual(
    ended.map(({ exitCode }) => exitCode),
    [0, 0, 0],
  );
  assert.equal(readFileSync(join(cache.path, "log"), "utf8"), "x\nx\nx\n");
});

check("a step cannot signal who has started it", async (bench) => {
  if (landlockVersion() < 6) return;
  const { stdout } = await bench.sh(
    `kill -0 ${process.pid} 2>/dev/null || echo no; kill -0 $PPID 2>/dev/null || echo no`,
  );
  assert.equal(stdout, "no\nno\n");
});

test("what a killed process has moved into a tree returns", { skip: CHROOTS.unavailable ?? false }, async () => {
  await using place = await temporaryDirectory();
  const at = (name: string): string => join(place.path, name);
  for (const name of ["home", "root", "root/cache", "step"]) mkdirSync(at(name));
  writeFileSync(at("root/cache/file"), "kept");
  const inode = String(statSync(at("root/cache")).ino);
  const moved = { rootfs: at("root"), path: "/cache", home: at("home"), inode, kind: "directory" };
  writeFileSync(at("step/moved.json"), JSON.stringify([moved, { ...moved, inode: "1" }, { ...moved, path: "/gone" }]));
  returnMoved(at("step"));
  assert.deepEqual([readdirSync(at("home")), readdirSync(at("root/cache"))], [["file"], []]);
  returnMoved(at("step"));
  assert.deepEqual(readdirSync(at("home")), ["file"]);
});
