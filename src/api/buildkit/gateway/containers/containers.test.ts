import assert from "node:assert/strict";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import {
  type BuildkitDaemon,
  type DrivenBuild,
  buildkitDaemon,
  driveBuild,
  encoded,
} from "../../../../../testing/buildkit-daemon.ts";
import { ContainerClient } from "../../../../../testing/container-client.ts";
import { NOTHING_LEFT, waitForNothing } from "../../../../../testing/leftovers.ts";
import { recordsMissing } from "../../../../../testing/records.ts";
import { fillRootfs, rootfsUnavailable } from "../../../../../testing/rootfs.ts";
import { type SessionClient, healthy, openSession } from "../../../../../testing/session-client.ts";
import { servedDirectories } from "../../../../../testing/session-files.ts";
import { type GrpcClient, GrpcCode, GrpcError, invoke, isGrpcError, unary } from "../../../../grpc/index.ts";
import { type State, local } from "../../../../llb/index.ts";
import { LLBBridge } from "../../proto/gen/gateway_pb.ts";
import { MountType, NetMode, SecurityMode } from "../../proto/gen/ops_pb.ts";
import { Secrets } from "../../proto/gen/secrets_pb.ts";
import { called, served } from "../../proto/methods.ts";

const { method } = LLBBridge;

const secret = unary(served(Secrets.method.getSecret), async ({ id }) => {
  if (id !== "token") throw new GrpcError(GrpcCode.notFound, "not found");
  return { data: Buffer.from("s3cret") };
});

suite("containers of the gateway", { skip: recordsMissing() ?? rootfsUnavailable() ?? false }, () => {
  let daemon: BuildkitDaemon;
  let client: GrpcClient;
  let session: SessionClient;
  let openBuilds = 0;
  before(async () => {
    daemon = await buildkitDaemon({ entitlements: ["network.host", "security.insecure"] });
    client = await daemon.grpc.client();
    const root = join(daemon.folder, "rootfs");
    mkdirSync(root);
    fillRootfs(root);
    writeFileSync(join(root, "greeting"), "hello");
    symlinkSync("/../../../../../../greeting", join(root, "link"));
    const served = servedDirectories(new Map([["root", root]]));
    session = openSession(client, [served, secret, healthy]);
  });
  after(async () => {
    await session[Symbol.asyncDispose]();
    client.close();
    await daemon[Symbol.asyncDispose]();
  });

  /** Asserts that nothing is left of steps and of what they had mounted. */
  async function assertNothingLeft(): Promise<void> {
    const stateDir = join(daemon.store.root, "run");
    // The root that the client's directory was copied to stays mounted as long as the build that has it.
    const left = await waitForNothing({ marks: [stateDir, "MARK=container"], stateDir, pid: process.pid });
    assert.deepEqual(left, NOTHING_LEFT);
  }

  async function refOf(build: DrivenBuild, graph: State = local("root")): Promise<string> {
    const request = { definition: encoded(graph), allowResultReturn: true, allowResultArrayRef: true };
    const { result } = await invoke(client, called(method.solve), request, build.call);
    assert.ok(result?.result.case === "ref");
    return result.result.value.id;
  }

  interface Opened extends AsyncDisposable {
    readonly build: DrivenBuild;
    readonly processes: ContainerClient;
    readonly root: { readonly dest: string; readonly resultID: string };
  }

  async function open(entitlements: readonly string[] = []): Promise<Opened> {
    const build = await driveBuild(client, { session: session.id, entitlements: [...entitlements] });
    const processes = new ContainerClient(client, build);
    const root = { dest: "/", resultID: await refOf(build) };
    openBuilds += 1;
    return {
      build,
      processes,
      root,
      [Symbol.asyncDispose]: async () => {
        await build.return();
        processes[Symbol.dispose]();
        openBuilds -= 1;
        // What another build has is not left behind.
        if (openBuilds === 0) await assertNothingLeft();
      },
    };
  }

  test("processes share a container, in which messages have one order", async () => {
    await using opened = await open();
    const { processes, root } = opened;
    const id = await processes.container({
      mounts: [root],
      hostname: "inside",
      extraHosts: [{ Host: "far", IP: "10.9.8.7" }],
    });
    const first = await processes.start(id, { args: ["sh", "-c", "cat; hostname; cat >/dev/null"], fds: [0, 1] });
    await first.write("typed\n");
    const pair = await Promise.all([
      processes.sh(id, "echo $PATH; echo $A; pwd; grep far /etc/hosts; id -u", {
        env: ["A=b", "MARK=container"],
        cwd: "/tmp",
        user: "alice",
      }),
      processes.sh(id, "echo out; echo err >&2; ps | grep -c 'ca[t]'"),
    ]);
    const path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    assert.deepEqual(pair[0], [0, `${path}\nb\n/tmp\n10.9.8.7\tfar\n1000\n`]);
    assert.deepEqual([pair[1][0], pair[1][1].includes("out\n"), pair[1][1].includes("err\n")], [0, true, true]);
    await first.end();
    const { code, error } = await first.exit;
    await first.done;
    assert.deepEqual([code, error, first.output(1)], [0, undefined, "typed\ninside\n"]);
    assert.deepEqual(first.kinds, ["started", "file 1", "exit", "eof 1", "done"]);
    await processes.release(id);
    processes.end();
    await processes.ended;
  });

  test("a terminal has a size, echoes, and takes signals", async () => {
    await using opened = await open();
    const { processes, root } = opened;
    const id = await processes.container({ mounts: [root] });
    const shell = await processes.start(id, { args: ["sh", "-c", "sleep 600"] });
    const script =
      "trap 'stty size' WINCH; trap 'exit 7' HUP; echo $TERM; tty; while :; do read line && echo got $line; done";
    const typed = await processes.start(id, { args: ["sh", "-c", script], fds: [0, 1, 2], tty: true });
    await typed.until(1, /xterm\r\n\/dev\/pts\/0/);
    await typed.resize(40, 100);
    await typed.until(1, /40 100/);
    await typed.write("words\n");
    await typed.until(1, /words\r\n[^]*got words/);
    await typed.signal("HUP");
    const { code, error } = await typed.exit;
    assert.deepEqual([code, error?.message, error?.code], [7, "exit code: 7", GrpcCode.unknown]);
    assert.deepEqual(
      error?.details.map(({ typeUrl, value }) => [typeUrl, Buffer.from(value).toString()]),
      [["github.com/moby/buildkit/gatewayapi.ExitMessage+json", '{"Code":7}']],
    );
    await typed.end();
    await Promise.all([typed.done, shell.done]);
    assert.deepEqual(typed.kinds.slice(-4), ["exit", "eof 1", "eof 2", "done"]);
  });

  test("a failure ends the container: what runs is killed, and what comes gets the first failure", async () => {
    await using opened = await open();
    const { processes, root } = opened;
    const id = await processes.container({ mounts: [root] });
    const first = await processes.start(id, { args: ["sleep", "600"] });
    assert.deepEqual(await processes.sh(id, "exit 3"), [3, "exit code: 3"]);
    const killed = await first.exit;
    assert.deepEqual([killed.code, killed.error?.message], [137, "exit code: 137: exit code: 3"]);
    assert.deepEqual(await processes.sh(id, "true"), [3, "exit code: 3"]);
    await assert.rejects(processes.release(id), /^GrpcError: exit code: 3$/);
    await assert.rejects(processes.release(id), /container details for .* not found/);
  });

  test("the end of the first process ends the container, also a good one", async () => {
    await using opened = await open();
    const { processes, root } = opened;
    for (const code of [0, 4]) {
      const id = await processes.container({ mounts: [root] });
      const first = await processes.start(id, { args: ["sh", "-c", `read line; exit ${code}`], fds: [0] });
      const other = await processes.start(id, { args: ["sh", "-c", "echo up; exec sleep 600"] });
      await other.until(1, /up/);
      await first.write("go\n");
      assert.equal((await first.exit).code, code);
      const { code: killed, error } = await other.exit;
      assert.deepEqual([killed, error?.message], [137, code === 0 ? "exit code: 137" : "exit code: 137: exit code: 4"]);
      const late = await processes.sh(id, "true");
      assert.deepEqual(late, code === 0 ? [255, `container ${id} is not running`] : [4, "exit code: 4"]);
      await assert.rejects(processes.release(id));
    }
  });

  test("what cannot be started says so, without a code of its own", async () => {
    await using opened = await open();
    const { processes, root } = opened;
    for (const [init, code, text] of [
      [{ args: ["no-such-thing"] }, 127, /executable file not found/],
      [{ args: ["true"], user: "nobody-here" }, 255, /no user "nobody-here"/],
      [{ args: ["true"], security: SecurityMode.INSECURE }, 255, /^security.insecure is not allowed$/],
      [{ args: ["true"], security: 2 as SecurityMode }, 255, /^invalid security mode$/],
      [{ args: ["true"], secretenv: [{ ID: "nope", name: "X" }] }, 255, /nope: not found/],
    ] as const) {
      const id = await processes.container({ mounts: [root] });
      const started = await processes.start(id, { ...init });
      const exit = await started.exit;
      await started.done;
      assert.equal(exit.code, code);
      assert.match(exit.error?.message ?? "", text);
      assert.deepEqual(started.kinds[0], "started");
      await processes.release(id).catch(() => undefined);
    }
    const id = await processes.container({ mounts: [root], network: NetMode.HOST });
    assert.deepEqual(await processes.sh(id, "true"), [255, "network.host is not allowed"]);
  });

  test("entitlements of the build allow the host's network and processes without a sandbox", async () => {
    await using opened = await open(["network.host", "security.insecure"]);
    const { processes, root } = opened;
    const id = await processes.container({ mounts: [root], network: NetMode.HOST });
    const seccomp = "grep Seccomp: /proc/self/status";
    assert.deepEqual(await processes.sh(id, `${seccomp}; cat`, { security: SecurityMode.INSECURE }), [
      0,
      "Seccomp:\t0\n",
    ]);
    const alone = await processes.container({ mounts: [root], network: NetMode.NONE });
    assert.deepEqual(await processes.sh(alone, "ls /sys/class/net"), [0, "lo\n"]);
  });

  test("mounts are those of a step, and their files can be read at any time", async () => {
    await using opened = await open();
    const { build, processes, root } = opened;
    const id = await processes.container({
      mounts: [
        root,
        { dest: "/scratch" },
        { dest: "/part", resultID: root.resultID, selector: "/etc", readonly: true },
        { dest: "/cache", mountType: MountType.CACHE, cacheOpt: { ID: "containers" } },
        { dest: "/memory", mountType: MountType.TMPFS },
        { dest: "/run/token", mountType: MountType.SECRET, secretOpt: { ID: "token", mode: 0o400 } },
        { dest: "/run/none", mountType: MountType.SECRET, secretOpt: { ID: "none", optional: true } },
      ],
    });
    const read = async (
      filePath: string,
      mountIndex: number,
      range?: { offset: bigint; length: bigint },
    ): Promise<string> => {
      const request = { ref: id, filePath, mountIndex, ...(range && { range }) };
      return Buffer.from((await invoke(client, called(method.readFileContainer), request, build.call)).data).toString();
    };
    assert.equal(await read("/greeting", 0), "hello");
    assert.equal(await read("/link", 0, { offset: 1n, length: 3n }), "ell");
    const first = await processes.start(id, { args: ["sleep", "600"] });
    const write = "echo s >/scratch/f; echo c >/cache/f; echo m >/memory/f; echo r >/r";
    assert.deepEqual(await processes.sh(id, `${write}; cat /run/token; test ! -e /run/none`), [0, "s3cret"]);
    assert.deepEqual(await processes.sh(id, "test -e /part/passwd && ! touch /part/x 2>/dev/null"), [0, ""]);
    const env = {
      secretenv: [
        { ID: "token", name: "TOKEN" },
        { ID: "none", name: "NONE", optional: true },
      ],
    };
    assert.deepEqual(await processes.sh(id, "echo $TOKEN; echo ${NONE-unset}", env), [0, "s3cret\n\n"]);
    assert.deepEqual([await read("/r", 0), await read("/f", 1), await read("/f", 3)], ["r\n", "s\n", "c\n"]);
    assert.match(await read("/etc/passwd", 2), /alice/);
    const listed = await invoke(
      client,
      called(method.readDirContainer),
      { ref: id, dirPath: "/", mountIndex: 1 },
      build.call,
    );
    assert.deepEqual(
      listed.entries.map(({ path, size }) => [path, size]),
      [["f", 2n]],
    );
    const { stat } = await invoke(
      client,
      called(method.statFileContainer),
      { ref: id, path: "/bin/sh", mountIndex: 0 },
      build.call,
    );
    assert.deepEqual([stat?.path, stat?.mode], ["busybox", 0o755]);
    for (const [path, index, text] of [
      ["greeting", 0, /^GrpcError: can't make greeting relative to \/$/],
      ["/nope", 0, /open \/nope: no such file or directory/],
      ["/../../../../proc/self/environ", 0, /no such file or directory/],
      ["/x", 7, /mount index 7 is out of bounds \(7 available\)/],
      ["/x", -1, /mount index -1 is out of bounds/],
      ["/x", 5, /mountable 5 not found/],
    ] as const)
      await assert.rejects(read(path, index), text);
    await assert.rejects(processes.release(id), /^GrpcError: exit code: 137: context canceled$/);
    assert.equal((await first.exit).error?.message, "exit code: 137: context canceled");
    await assert.rejects(read("/r", 0), /container details for .*@0 not found/);
    // A cache outlives the container, and nothing else does.
    const next = await processes.container({
      mounts: [
        { ...root, readonly: true },
        { dest: "/cache", mountType: MountType.CACHE, cacheOpt: { ID: "containers" } },
      ],
    });
    assert.deepEqual(await processes.sh(next, "cat /cache/f; test ! -e /r && ! touch /x 2>/dev/null"), [0, "c\n"]);
  });

  test("requests that make no sense are refused", async () => {
    await using opened = await open();
    await using other = await open();
    const { processes, root } = opened;
    const refused = async (request: Parameters<ContainerClient["container"]>[0], text: RegExp): Promise<void> =>
      await assert.rejects(processes.container(request), text);
    await refused({ mounts: [] }, /it has no root filesystem/);
    await refused(
      { mounts: [{ dest: "/", mountType: MountType.CACHE, cacheOpt: { ID: "x" } }] },
      /invalid mount type CACHE for \//,
    );
    await refused(
      { mounts: [{ dest: "/", resultID: "made-up" }] },
      /failed to find ref made-up for "\/" mount: return reference made-up not found/,
    );
    await refused({ mounts: [{ dest: "/", resultID: other.root.resultID }] }, /failed to find ref/);
    await refused({ mounts: [root, { dest: "/s", mountType: MountType.SECRET }] }, /invalid mount \/s/);
    await refused({ mounts: [root, { dest: "/s", mountType: 9 as MountType }] }, /mount type 9 not implemented/);
    await refused({ mounts: [root], network: 7 as NetMode }, /invalid network mode 7/);
    await refused({ mounts: [root], extraHosts: [{ Host: "a", IP: "not an ip" }] }, /failed to parse IP not an ip/);
    await refused({ mounts: Array.from({ length: 300 }, () => root) }, /at most 256 mounts/);
    await refused({ containerId: "", mounts: [root] }, /invalid container id/);
    await refused({ containerId: "x".repeat(1000), mounts: [root] }, /invalid container id/);
    await processes.container({ containerId: "one", mounts: [root] });
    await refused({ containerId: "one", mounts: [root] }, /Container one already exists/);
    assert.deepEqual(await processes.sh("one", "echo fine"), [0, "fine\n"]);
    // The container of another build does not exist.
    const foreign = await other.processes.start("one", { args: ["true"] });
    await assert.rejects(
      foreign.exit,
      (error) =>
        isGrpcError(error, GrpcCode.notFound) &&
        /container "one" previously released or not created/.test(error.message),
    );
    await assert.rejects(
      invoke(client, called(method.readFileContainer), { ref: "one", filePath: "/greeting" }, other.build.call),
      /container details for one@0 not found/,
    );
  });

  test("a message that makes no sense ends the call, and kills its processes", async () => {
    await using opened = await open();
    const { build, processes, root } = opened;
    const cases: readonly (readonly [
      string,
      (call: ContainerClient, running: string) => Promise<unknown>,
      GrpcCode,
      RegExp,
    ])[] = [
      [
        "no id",
        async (call) => await call.send({ input: { case: "done", value: {} } }),
        GrpcCode.invalidArgument,
        /ProcessID required/,
      ],
      [
        "unknown id",
        async (call) => await call.send({ processId: "nobody", input: { case: "resize", value: {} } }),
        GrpcCode.notFound,
        /IO for process "nobody" not found/,
      ],
      [
        "closed descriptor",
        async (call, processId) => await call.send({ processId, input: { case: "file", value: { fd: 5 } } }),
        GrpcCode.outOfRange,
        /fd 5 unavailable to write/,
      ],
      [
        "no input",
        async (call, processId) => await call.send({ processId, input: { case: "file", value: { fd: 0 } } }),
        GrpcCode.outOfRange,
        /fd 0 unavailable to write/,
      ],
      [
        "signal",
        async (call, processId) =>
          await call.send({ processId, input: { case: "signal", value: { name: "toString" } } }),
        GrpcCode.invalidArgument,
        /Unknown signal toString/,
      ],
      [
        "id twice",
        async (call, processId) => await call.send({ processId, input: { case: "init", value: { containerId: "x" } } }),
        GrpcCode.alreadyExists,
        /Process .* already exists/,
      ],
      [
        "no container",
        async (call) => await call.start("nowhere", { args: ["true"] }),
        GrpcCode.notFound,
        /container "nowhere" previously released/,
      ],
    ];
    for (const [name, send, code, text] of cases) {
      const id = await processes.container({ mounts: [root] });
      using call = new ContainerClient(client, build);
      const running = await call.start(id, { args: ["sh", "-c", "echo up; exec sleep 600"] });
      await running.until(1, /up/);
      await send(call, running.id);
      await assert.rejects(call.ended, (error) => isGrpcError(error, code) && text.test(error.message), name);
      await assert.rejects(processes.release(id), /exit code: 137/, name);
    }
  });

  test("containers and processes are counted", async () => {
    await using opened = await open();
    const { build, processes, root } = opened;
    const opening = Array.from({ length: 66 }, async () => await processes.container({ mounts: [root] }));
    const results = await Promise.allSettled(opening);
    const made = results.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
    assert.equal(made.length, 64);
    const reasons = results.flatMap((each) => (each.status === "rejected" ? [String(each.reason)] : []));
    for (const reason of reasons) assert.match(reason, /a build has at most 64 containers at once/);
    const [first = ""] = made;
    await processes.release(first);
    const id = await processes.container({ mounts: [root] });
    assert.deepEqual(await processes.sh(id, "exit 3"), [3, "exit code: 3"]);
    using call = new ContainerClient(client, build);
    // These end at once, but are not done before their input has ended.
    for (let count = 0; count <= 128; count += 1) await call.start(id, { args: ["true"], fds: [0] });
    await assert.rejects(call.ended, /a call has at most 128 processes at once/);
  });

  test("input that nobody reads holds its client back, and the process still ends", async () => {
    await using opened = await open();
    const { build, processes, root } = opened;
    const id = await processes.container({ mounts: [root] });
    const deaf = await processes.start(id, { args: ["sh", "-c", "echo up; exec sleep 600"], fds: [0, 1] });
    await deaf.until(1, /up/);
    const flood = (async () => {
      for (let at = 0; at < 64; at += 1) await deaf.write("x".repeat(262_144));
    })();
    using other = new ContainerClient(client, build);
    assert.deepEqual(await other.sh(id, "echo fine"), [0, "fine\n"]);
    await assert.rejects(processes.release(id), /context canceled/);
    assert.equal((await deaf.exit).code, 137);
    await flood;
    await deaf.end();
    await deaf.done;
  });

  test("a client that vanishes leaves nothing, whatever it was doing", async () => {
    for (const vanish of ["call", "build", "connection", "return"] as const) {
      const own = await daemon.grpc.client();
      const build = await driveBuild(own, { session: session.id });
      const processes = new ContainerClient(own, build);
      const root = { dest: "/", resultID: await refOf(build) };
      const id = await processes.container({ mounts: [root, { dest: "/t", mountType: MountType.TMPFS }] });
      const first = await processes.start(id, {
        args: ["sh", "-c", "trap '' TERM HUP; echo up; sleep 600"],
        env: ["MARK=container"],
        fds: [0, 1],
      });
      await first.until(1, /up/);
      await processes.start(id, {
        args: ["sh", "-c", "(sleep 600 &); sleep 600"],
        tty: true,
        fds: [0, 1],
        env: ["MARK=container"],
      });
      // It was never started.
      await processes.container({ mounts: [root] });
      if (vanish === "call") processes[Symbol.dispose]();
      if (vanish === "connection") own.close();
      if (vanish === "return") await build.return();
      if (vanish === "build")
        await invoke(own, called(method.return), { error: { code: 2, message: "no more" } }, build.call);
      if (vanish === "call") {
        await assert.rejects(
          invoke(own, called(method.releaseContainer), { containerId: id }, build.call),
          /exit code: 137/,
        );
        await build.return();
      }
      await assertNothingLeft();
      own.close();
    }
  });
});
