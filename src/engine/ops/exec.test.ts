import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { type GraphFixture, graphFixture } from "../../../testing/graph-fixture.ts";
import { recordsMissing } from "../../../testing/records.ts";
import { busyboxRootfs, rootfsUnavailable } from "../../../testing/rootfs.ts";
import { isVarveError } from "../../core/index.ts";
import type { TemporaryDirectory } from "../../io/index.ts";
import { type RunOptions, type State, fileActions, local, makeVertex, scratch } from "../../llb/index.ts";

suite("exec ops", { skip: recordsMissing() ?? rootfsUnavailable() ?? false }, () => {
  let fixture: GraphFixture;
  let rootfs: TemporaryDirectory;
  before(async () => {
    rootfs = await busyboxRootfs();
    fixture = await graphFixture({ locals: { busybox: rootfs.path }, secrets: { s: "value" } });
  });
  after(async () => {
    await fixture[Symbol.asyncDispose]();
    await rootfs[Symbol.asyncDispose]();
  });

  const base = (): State =>
    scratch().file(fileActions().copy(local("busybox", { sessionId: "s" }), "/", "/", { dirCopyContents: true }));
  const sh = (command: string, options: Partial<RunOptions> = {}): RunOptions => ({
    args: ["/bin/sh", "-e", "-c", command],
    ...options,
  });
  const output = async (state: State, path: string): Promise<string> =>
    await fixture.look(state, (root) => readFileSync(join(root, path), "utf8").trim());

  test("two mounts of a locked cache mount are one directory", async () => {
    const cache = { type: "cache", id: "twice", sharing: "locked" } as const;
    const { root } = base().run(
      sh("mkdir -p /one/folder; echo a > /one/f; cat /two/f > /out; echo b > /three/g; cat /one/folder/g >> /out", {
        mounts: [
          { ...cache, target: "/one" },
          { ...cache, target: "/two" },
          { ...cache, target: "/three", selector: "folder" },
        ],
      }),
    );
    assert.equal(await output(root, "out"), "a\nb");
  });

  test("a command that cannot be started is named as one that has failed", async () => {
    const { root } = base().run({ args: ["no-such-thing", "here"] });
    await assert.rejects(fixture.paths(root), (error) => {
      assert.ok(isVarveError(error, "step-failed"), String(error));
      assert.match(
        error.message,
        /process "no-such-thing here" did not complete successfully: .*executable file not found/,
      );
      return error.details.exitCode === 127;
    });
  });

  test("cache mounts that start from different parts of an input are different directories", async () => {
    const input = scratch().file(
      fileActions()
        .mkdir("/x", 0o755)
        .mkdir("/y", 0o755)
        .mkfile("/x/f", 0o644, Buffer.of(120))
        .mkfile("/y/f", 0o644, Buffer.of(121)),
    );
    const cache = { type: "cache", id: "parts", sharing: "shared", source: input } as const;
    const { root } = base().run(
      sh("cat /one/f /two/f > /out", {
        mounts: [
          { ...cache, target: "/one", selector: "x" },
          { ...cache, target: "/two", selector: "y" },
        ],
      }),
    );
    assert.equal(await output(root, "out"), "xy");
  });

  test("an output of a read-only bind or of a cache mount is the input", async () => {
    const input = scratch().file(fileActions().mkfile("/f", 0o644, Buffer.from("in")));
    const run = base().run(
      sh("echo x > /c/g; ! touch /b/g", { mounts: [{ type: "bind", target: "/b", source: input, readonly: true }] }),
    );
    const { op, inputs } = run.root.edge?.vertex ?? assert.fail();
    assert.ok(op.kind === "exec");
    const bind = op.mounts.findIndex(({ dest }) => dest === "/b");
    const mounts = op.mounts.map((mount, index) => (index === bind ? { ...mount, output: 1 } : mount));
    const common = { selector: "", readonly: false, resultId: "", contentCache: "default" } as const;
    const cached = {
      ...common,
      type: "cache",
      id: "outputs",
      sharing: "shared",
      input: 1,
      dest: "/c",
      output: 2,
    } as const;
    const vertex = makeVertex({ op: { ...op, mounts: [...mounts, cached] }, inputs });
    for (const output of [1, 2])
      assert.deepEqual(await fixture.paths(scratch().withEdge({ vertex, output })), ["f"], `output ${output}`);
    assert.deepEqual((await fixture.paths(scratch().withEdge({ vertex, output: 0 }))).includes("b/"), false);
  });

  test("a step that cannot write to its root can have new mount points", async () => {
    const run = base().run(
      sh("! touch /x; echo ok > /new/point/f", {
        readonlyRoot: true,
        mounts: [{ type: "bind", target: "/new/point", source: scratch() }],
      }),
    );
    assert.deepEqual(await fixture.paths(run.mount("/new/point")), ["f"]);
  });

  test("of mount points that were created, parents stay if an old client asks for it", async () => {
    const run = base().run(
      sh("true", {
        mounts: [
          { type: "tmpfs", target: "/new/a/b" },
          { type: "tmpfs", target: "/new/c" },
        ],
      }),
    );
    const names = (root: string): string[] => readdirSync(root).filter((name) => name === "new");
    assert.deepEqual(await fixture.look(run.root, names), []);
    const { op, inputs } = run.root.edge?.vertex ?? assert.fail();
    assert.ok(op.kind === "exec");
    const old = { ...op, meta: { ...op.meta, removeMountStubsRecursive: false } };
    const kept = scratch().withEdge({ vertex: makeVertex({ op: old, inputs }), output: 0 });
    assert.deepEqual(
      (await fixture.paths(kept)).filter((path) => path.startsWith("new")),
      ["new/", "new/a/"],
    );
  });

  test("the environment: a default PATH, proxies, secrets", async () => {
    const { root } = base().run(
      sh('echo "$PATH $HTTP_PROXY $no_proxy $TOKEN [$NONE]" > /out', {
        proxyEnv: { httpProxy: "p", httpsProxy: "", ftpProxy: "", noProxy: "n", allProxy: "" },
        secrets: [
          { id: "s", env: "TOKEN" },
          { id: "none", env: "NONE", optional: true },
        ],
      }),
    );
    assert.equal(
      await output(root, "out"),
      "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin p n value []",
    );
    const own = base().addEnv("PATH", "/bin").run(sh('echo "$PATH" > /out'));
    assert.equal(await output(own.root, "out"), "/bin");
  });

  test("exit codes that are valid, and those that are not", async () => {
    const run = (code: number, validExitCodes: readonly number[]): State =>
      base().run(sh(`exit ${code}`, { validExitCodes })).root;
    await fixture.paths(run(3, [3, 4]));
    await assert.rejects(fixture.paths(run(0, [3])), /did not complete successfully: exit code: 0/);
    await assert.rejects(fixture.paths(run(5, [])), /exit code: 5/);
  });

  test("what a mount lacks is said in BuildKit's words", async () => {
    const { op, inputs } = base().run(sh("true")).root.edge?.vertex ?? assert.fail();
    assert.ok(op.kind === "exec");
    const secret = { id: "", uid: 0, gid: 0, mode: 0, optional: false };
    const common = {
      input: -1,
      selector: "",
      output: -1,
      readonly: false,
      resultId: "",
      contentCache: "default",
    } as const;
    for (const [message, changed] of [
      [
        "secret ID missing from mount options",
        { ...op, mounts: [...op.mounts, { ...common, type: "secret", dest: "/s", secret }] },
      ],
      [
        'secret ID missing for "X" environment variable',
        { ...op, secretEnv: [{ id: "", name: "X", optional: false }] },
      ],
      ["invalid mount type TMPFS for /", { ...op, mounts: [{ ...common, type: "tmpfs", dest: "/", size: 0 }] }],
    ] as const) {
      const vertex = makeVertex({ op: changed, inputs });
      await assert.rejects(fixture.paths(scratch().withEdge({ vertex, output: 0 })), { message });
    }
  });
});
