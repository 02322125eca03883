import assert from "node:assert/strict";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { temporaryDirectory } from "../../src/io/index.ts";
import { processesOf } from "../leftovers.ts";
import { type Check, hasCode } from "./runner-bench.ts";

const LONG_AGO = 1_000_000_000;

export function mountingSteps(check: Check): void {
  bindMounts(check);
  privateMounts(check);
  mountPoints(check);
  hostileImages(check);
}

function bindMounts(check: Check): void {
  check("directories and files are bound, for writing or only for reading", async ({ sh }) => {
    await using outside = await temporaryDirectory();
    writeFileSync(join(outside.path, "file"), "content");
    const mounts = [
      { kind: "bind", target: "/rw", source: outside.path },
      { kind: "bind", target: "/ro", source: outside.path, readonly: true },
      { kind: "bind", target: "/one/file", source: join(outside.path, "file"), readonly: true },
    ] as const;
    const { stdout } = await sh(
      "cat /rw/file /one/file; echo new > /rw/new; cat /ro/new; rm /ro/new 2>/dev/null || echo ro; echo x 2>/dev/null > /one/file || echo ro",
      { mounts },
    );
    assert.equal(stdout, "contentcontentnew\nro\nro\n");
    assert.equal(readFileSync(join(outside.path, "new"), "utf8"), "new\n");
  });

  check("a part of a directory is bound, and cannot be outside it", async ({ sh }) => {
    await using outside = await temporaryDirectory();
    mkdirSync(join(outside.path, "etc"));
    writeFileSync(join(outside.path, "etc/passwd"), "inside");
    symlinkSync("/etc/passwd", join(outside.path, "link"));
    symlinkSync("../../../../../../etc", join(outside.path, "up"));
    const cat = async (subpath: string, file: string): Promise<string> =>
      (await sh(`cat ${file}`, { mounts: [{ kind: "bind", target: "/m", source: outside.path, subpath }] })).stdout;
    assert.equal(await cat("etc", "/m/passwd"), "inside");
    assert.equal(await cat("link", "/m"), "inside");
    assert.equal(await cat("/up", "/m/passwd"), "inside");
    await assert.rejects(cat("nope", "/m"), hasCode("invalid-build"));
  });

  check("a missing source is refused", async ({ sh }) => {
    const mounts = [{ kind: "bind", target: "/m", source: "/nowhere/at/all" }] as const;
    await assert.rejects(sh("true", { mounts }), hasCode("not-found"));
  });
}

function privateMounts(check: Check): void {
  check("memory filesystems are empty, writable for all, and of the size asked for", async ({ sh }) => {
    const mounts = [{ kind: "tmpfs", target: "/scratch/deep", size: 1_048_576 }] as const;
    const { stdout } = await sh(
      "stat -c %a /scratch/deep; df -k /scratch/deep | tail -1 | awk '{print $2}'; echo x > /scratch/deep/x && ls /scratch/deep",
      { mounts, user: "alice" },
    );
    assert.equal(stdout, "1777\n1024\nx\n");
  });

  check("a secret is a file with the owner and mode asked for, on no disk", async ({ sh, stateDir }) => {
    const content = Buffer.from(`sesame ${"!".repeat(20)}`);
    const mounts = [
      { kind: "secret", target: "/run/secrets/a", content, uid: 1000, gid: 2000, mode: 0o440 },
      { kind: "secret", target: "/run/secrets/b", content },
    ] as const;
    const script =
      "cat /run/secrets/a; stat -c ' %u:%g:%a' /run/secrets/a /run/secrets/b; cat /run/secrets/b 2>/dev/null || echo denied; grep -c secrets /proc/mounts";
    const outcome = await sh(script, {
      mounts,
      user: "alice",
      onWarning: () => assert.fail("no warning expected"),
    });
    assert.equal(outcome.stdout, `${content.toString()} 1000:2000:440\n 0:0:400\ndenied\n2\n`);
    const seen = readdirSync(stateDir, { recursive: true, encoding: "utf8" });
    assert.deepEqual(
      seen.filter((path) => path.includes("secrets/")),
      [],
    );
    const large = [{ kind: "secret", target: "/s", content: Buffer.alloc(512_001) }] as const;
    await assert.rejects(sh("true", { mounts: large }), hasCode("limit-exceeded"));
  });

  check("an agent answers through a socket that the user of the step may use", async ({ sh, mark, rootfs }) => {
    await using outside = await temporaryDirectory();
    const socket = join(outside.path, "agent");
    const server = createServer(
      (client) => void client.on("data", (question) => client.end(`re: ${String(question)}`)),
    );
    server.listen(socket);
    await once(server, "listening");
    let asked: Promise<string> | undefined;
    try {
      await sh("echo go; while ! test -e /tmp/asked; do sleep 0.02; done", {
        mounts: [{ kind: "ssh", target: "/run/agent.0", socket, uid: 1000, gid: 1000 }],
        user: "alice",
        onOutput: () => {
          asked ??= ask(join(rootOf(mark), "run/agent.0")).finally(() => writeFileSync(join(rootfs, "tmp/asked"), ""));
        },
      });
      assert.equal(await asked, "re: hello");
    } finally {
      server.close();
    }
    const gone = [{ kind: "ssh", target: "/a", socket: join(outside.path, "none") }] as const;
    await assert.rejects(sh("true", { mounts: gone }), hasCode("not-found"));
  });

  check("the socket of an agent has the owner and mode asked for", async ({ sh }) => {
    await using outside = await temporaryDirectory();
    const socket = join(outside.path, "agent");
    const server = createServer().listen(socket);
    await once(server, "listening");
    try {
      const mounts = [
        { kind: "ssh", target: "/run/agent.0", socket, uid: 1000, gid: 1000 },
        { kind: "ssh", target: "/run/agent.1", socket, mode: 0o660 },
      ] as const;
      const { stdout } = await sh("stat -c %u:%g:%a:%F /run/agent.*", { mounts });
      assert.equal(stdout, "1000:1000:600:socket\n0:0:660:socket\n");
    } finally {
      server.close();
    }
  });
}

/** The root directory of a step, as this machine sees it. */
function rootOf(mark: string): string {
  const pid = processesOf(mark)[0];
  assert.ok(pid);
  return `/proc/${pid}/root`;
}

async function ask(socket: string): Promise<string> {
  const client = connect(socket);
  client.end("hello");
  let answer = "";
  for await (const chunk of client) answer += String(chunk);
  return answer;
}

function mountPoints(check: Check): void {
  check("mount points that were made for a step are gone after it, and no time has changed", async ({ sh, rootfs }) => {
    for (const name of ["dev", "proc", "sys"]) mkdirSync(join(rootfs, name));
    for (const name of ["", "etc", "home"]) utimesSync(join(rootfs, name), LONG_AGO, LONG_AGO);
    const before = readdirSync(rootfs, { recursive: true }).length;
    await using outside = await temporaryDirectory();
    const mounts = [
      { kind: "bind", target: "/home/a/b/c", source: outside.path },
      { kind: "tmpfs", target: "/x/y" },
      { kind: "tmpfs", target: "/x/y/inner" },
      { kind: "secret", target: "/run/secrets/key", content: Buffer.from("k") },
      { kind: "tmpfs", target: "/dev/own" },
    ] as const;
    const { exitCode } = await sh(
      "test -d /home/a/b/c && touch /x/y/inner/f /dev/own/f && cat /run/secrets/key /etc/hosts",
      { mounts, hostnameFile: true },
    );
    assert.equal(exitCode, 0);
    assert.equal(readdirSync(rootfs, { recursive: true }).length, before);
    for (const name of ["", "etc", "home"]) assert.equal(statSync(join(rootfs, name)).mtimeMs, LONG_AGO * 1000, name);
  });

  check("a mount point stays if the step has put something beside it, or if it was there", async ({ sh, rootfs }) => {
    mkdirSync(join(rootfs, "old"));
    const mounts = [
      { kind: "tmpfs", target: "/new/mount" },
      { kind: "tmpfs", target: "/old" },
    ] as const;
    await sh("echo kept > /new/file", { mounts });
    assert.deepEqual([readdirSync(join(rootfs, "new")), existsSync(join(rootfs, "old"))], [["file"], true]);
  });

  check("stubs of /dev, /proc and /sys stay, as in BuildKit", async ({ sh, rootfs }) => {
    await sh("true");
    assert.deepEqual(readdirSync(rootfs).toSorted(), ["bin", "dev", "etc", "home", "proc", "root", "sys", "tmp"]);
    assert.deepEqual(readdirSync(join(rootfs, "dev")), []);
    assert.deepEqual(readdirSync(join(rootfs, "etc")).toSorted(), ["group", "passwd"]);
  });

  check("a mount goes over what a step finds by default", async ({ sh }) => {
    const mounts = [{ kind: "tmpfs", target: "/dev/shm", size: 2_097_152 }] as const;
    assert.equal(
      (await sh("df -k /dev/shm | tail -1 | awk '{print $2}'; grep -c /dev/shm /proc/mounts", { mounts })).stdout,
      "2048\n1\n",
    );
  });

  check("a mount point of the wrong kind is refused, and the root cannot be one", async ({ sh }) => {
    await using outside = await temporaryDirectory();
    const at = (target: string, source: string) => sh("true", { mounts: [{ kind: "bind", target, source }] });
    await assert.rejects(at("/etc/passwd", outside.path), hasCode("invalid-build"));
    await assert.rejects(at("/etc/passwd/x", outside.path), hasCode("invalid-build"));
    await assert.rejects(at("/etc", "/etc/passwd"), hasCode("invalid-build"));
    await assert.rejects(at("/", outside.path), hasCode("invalid-build"));
    await assert.rejects(at("/a/..", outside.path), hasCode("invalid-build"));
  });
}

function hostileImages(check: Check): void {
  check("links of an image do not lead out of it", async ({ sh, rootfs }) => {
    await using outside = await temporaryDirectory();
    rmSync(join(rootfs, "etc"), { recursive: true });
    symlinkSync(outside.path, join(rootfs, "etc"));
    symlinkSync(`../../../../../..${outside.path}`, join(rootfs, "up"));
    const mounts = [{ kind: "tmpfs", target: "/up/mount" }] as const;
    const { exitCode, stdout } = await sh("cat /etc/hosts; ls /up", { mounts, cwd: "/up/work" });
    assert.equal(exitCode, 0);
    assert.match(stdout, /localhost/);
    assert.deepEqual(readdirSync(outside.path), []);
    await assert.rejects(sh("true", { user: "root:root:root" }), hasCode("invalid-build"));
  });

  check("a link to a file that is not there gets it for the time of the step", async ({ sh, rootfs }) => {
    symlinkSync("../run/resolver/stub.conf", join(rootfs, "etc/resolv.conf"));
    const { stdout } = await sh("grep -c nameserver /run/resolver/stub.conf");
    assert.ok(Number(stdout) > 0);
    assert.equal(existsSync(join(rootfs, "run")), false);
  });

  check("links in a circle and links for system directories are refused", async ({ sh, rootfs }) => {
    symlinkSync("b", join(rootfs, "a"));
    symlinkSync("a", join(rootfs, "b"));
    symlinkSync("gone/../c", join(rootfs, "c"));
    const at = (target: string) => sh("true", { mounts: [{ kind: "tmpfs", target }] });
    await assert.rejects(at("/a/x"), hasCode("invalid-build"));
    await assert.rejects(at("/c"), hasCode("invalid-build"));
    rmSync(join(rootfs, "proc"), { recursive: true, force: true });
    symlinkSync("/etc", join(rootfs, "proc"));
    await assert.rejects(sh("true"), hasCode("invalid-build"));
  });
}
