import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { build, imageConfig, vertexNamed } from "../../testing/dockerfile-host.ts";
import type { ExecOp, FileOp, Mount } from "../llb/index.ts";
import type { CompileOptions } from "./index.ts";

async function exec(text: string, options: CompileOptions = {}): Promise<ExecOp> {
  const { edge } = await build(`FROM base\n${text}`, options);
  assert.equal(edge?.vertex.op.kind, "exec");
  return edge.vertex.op;
}

async function mountAt(target: string, text: string, options: CompileOptions = {}): Promise<Mount> {
  const mount = (await exec(text, options)).mounts.find(({ dest }) => dest === target);
  return mount ?? assert.fail(`no mount at ${target}`);
}

test("shell form, exec form and heredocs", async () => {
  assert.deepEqual((await exec("RUN a  b")).meta.args, ["/bin/sh", "-c", "a  b"]);
  assert.deepEqual((await exec('RUN ["a", "$b"]')).meta.args, ["a", "$b"]);
  assert.deepEqual((await exec('SHELL ["/bin/ash","-ec"]\nRUN a')).meta.args, ["/bin/ash", "-ec", "a"]);
  assert.deepEqual((await exec("RUN <<E\na\nb\nE\n")).meta.args, ["/bin/sh", "-c", "a\nb\n"]);
  assert.deepEqual((await exec("RUN <<-E\n\ta\n\tE\n")).meta.args, ["/bin/sh", "-c", "a\n"]);
  assert.deepEqual((await exec("RUN cat <<E > /x\na\nE\n")).meta.args, ["/bin/sh", "-c", "cat <<E > /x\na\nE"]);
});

test("a heredoc with its own interpreter is mounted as a file", async () => {
  const built = await build("FROM base\nRUN <<E\n#!/usr/bin/env python\nprint(1)\nE\n");
  const op = built.edge?.vertex.op as ExecOp;
  assert.deepEqual(op.meta.args, ["/bin/sh", "-c", "/dev/pipes/E"]);
  const mount = op.mounts.find(({ dest }) => dest === "/dev/pipes/");
  assert.deepEqual([mount?.type, mount?.selector, mount?.readonly, mount?.output], ["bind", "/", true, -1]);
  const [action] = (vertexNamed(built, "preparing inline document").op as FileOp).actions;
  assert.ok(action?.kind === "mkfile");
  assert.deepEqual([action.path, action.mode, String(action.data)], ["/E", 0o755, "#!/usr/bin/env python\nprint(1)\n"]);
  assert.equal(built.names.at(-1), "[2/2] RUN <<E (#!/usr/bin/env python...)");
});

test("bind mounts", async () => {
  const bind = await mountAt("/w/m", "WORKDIR /w\nRUN --mount=source=a/b,target=m x");
  assert.deepEqual([bind.type, bind.selector, bind.readonly, bind.output], ["bind", "/a/b", true, -1]);
  const writable = await mountAt("/m", "RUN --mount=target=/m,rw x");
  assert.deepEqual([writable.readonly, writable.output, writable.selector], [false, -1, ""]);
  const expanded = await mountAt("/v1", "ENV V=v1\nRUN --mount=target=/$V x");
  assert.equal(expanded.type, "bind");
});

test("cache mounts", async () => {
  const plain = await mountAt("/cc", "RUN --mount=type=cache,target=/cc x");
  assert.deepEqual(plain.type === "cache" && [plain.id, plain.sharing, plain.input, plain.output], [
    "//cc",
    "shared",
    -1,
    -1,
  ]);
  const named = await mountAt("/cc", "RUN --mount=type=cache,id=k,target=/cc,sharing=locked x", {
    cacheNamespace: "ns",
  });
  assert.deepEqual(named.type === "cache" && [named.id, named.sharing], ["ns/k", "locked"]);
  const owned = await mountAt("/cc", "RUN --mount=type=cache,target=/cc,uid=5,mode=0700 x");
  assert.deepEqual([owned.selector, owned.input], ["/cache", 1]);
  const relative = await mountAt("/w/c", "WORKDIR /w\nRUN --mount=type=cache,target=c x");
  assert.equal(relative.type === "cache" && relative.id, "/c");
});

test("secrets and agents", async () => {
  const secret = await mountAt("/run/secrets/k", "RUN --mount=type=secret,id=k x");
  assert.deepEqual(secret.type === "secret" && secret.secret, { id: "k", uid: 0, gid: 0, mode: 0o400, optional: true });
  const owned = await mountAt("/s", "RUN --mount=type=secret,id=k,target=/s,uid=1,mode=0440,required x");
  assert.deepEqual(owned.type === "secret" && owned.secret, { id: "k", uid: 1, gid: 0, mode: 0o440, optional: false });
  const relative = await exec("WORKDIR /w\nRUN --mount=type=secret,id=k,target=~/k --mount=type=ssh,target=a.sock x");
  assert.deepEqual(
    relative.mounts.map(({ dest }) => dest),
    ["/", "~/k", "a.sock"],
    "secrets and agents stay relative in the op, as BuildKit's do; the executor adds the directory",
  );
  const env = await exec("RUN --mount=type=secret,id=k,env=TOKEN x $TOKEN");
  assert.deepEqual(env.secretEnv, [{ id: "k", name: "TOKEN", optional: true }]);
  assert.equal(env.mounts.length, 1);
  const ssh = await exec("RUN --mount=type=ssh x");
  assert.ok(ssh.meta.env.includes("SSH_AUTH_SOCK=/run/buildkit/ssh_agent.0"));
  const agent = ssh.mounts.find(({ type }) => type === "ssh");
  assert.equal(agent?.type === "ssh" && agent.ssh.id, "");
});

test("a secret's variable is starred in the step's name", async () => {
  const built = await build("FROM base\nENV TOKEN=public\nRUN --mount=type=secret,id=k,env=TOKEN x $TOKEN");
  assert.equal(built.names.at(-1), "[stage-0 2/2] RUN --mount=type=secret,id=k,env=TOKEN x ****");
});

test("mounts from stages, images and numbers", async () => {
  const text = "FROM base AS a\nRUN x\nFROM base\nRUN --mount=from=a,target=/a --mount=from=tool,source=/t,target=/t y";
  const built = await build(text, {}, { "docker.io/library/tool:latest": imageConfig() });
  const op = built.edge?.vertex.op as ExecOp;
  assert.deepEqual(
    op.mounts.map(({ dest, input, selector }) => [dest, input, selector]),
    [
      ["/", 0, ""],
      ["/a", 1, ""],
      ["/t", 2, "/t"],
    ],
  );
  assert.ok(
    built.names.includes(
      "FROM docker.io/library/tool:latest@" + (built.names.find((n) => n.includes("tool")) ?? "").split("@")[1],
    ),
  );
  await assert.rejects(
    build("FROM base AS a\nRUN --mount=from=b,target=/b x\nFROM base AS b\nFROM a"),
    /cannot mount from stage "b" to "\/b"/,
  );
});

test("the build's options reach every step", async () => {
  const op = await exec("RUN --network=host --security=insecure x", {
    extraHosts: [{ host: "h", ip: "1.2.3.4" }],
    ulimits: [{ name: "nofile", soft: 1, hard: 2 }],
    shmSize: 4096,
    cgroupParent: "g",
    hostname: "name",
    network: "none",
    buildArgs: new Map([["https_proxy", "p"]]),
  });
  assert.deepEqual(
    [op.network, op.security, op.meta.cgroupParent, op.meta.hostname],
    ["host", "insecure", "g", "name"],
  );
  assert.deepEqual(op.meta.ulimits, [{ name: "nofile", soft: 1, hard: 2 }]);
  assert.equal(op.meta.proxyEnv?.httpsProxy, "p");
  assert.ok(!op.meta.env.some((entry) => entry.includes("proxy")));
  const shm = op.mounts.find(({ dest }) => dest === "/dev/shm");
  assert.equal(shm?.type === "tmpfs" && shm.size, 4096);
  assert.equal((await exec("RUN x", { network: "none" })).network, "none");
});

test("USER and WORKDIR of the base and of the stage", async () => {
  const images = { "docker.io/library/base:latest": imageConfig({ User: "app", WorkingDir: "/srv" }) };
  const built = await build("FROM base\nWORKDIR x\nUSER root\nRUN y", {}, images);
  const op = built.edge?.vertex.op;
  assert.ok(op?.kind === "exec");
  const { meta } = op;
  assert.deepEqual([meta.cwd, meta.user], ["/srv/x", "root"]);
  const [mkdir] = (vertexNamed(built, "WORKDIR x").op as FileOp).actions;
  assert.ok(mkdir?.kind === "mkdir");
  assert.deepEqual(mkdir.owner, { user: { kind: "name", name: "app", input: 0 } });
});

test("devices of RUN come after those of the build, and are optional unless required", async () => {
  const devices = [{ name: "of/build", optional: false }];
  const { edge } = await build("FROM base\nRUN --device=vendor.com/class=x --device=gpu,required x", { devices });
  const op = edge?.vertex.op;
  assert.ok(op?.kind === "exec");
  assert.deepEqual(op.cdiDevices, [
    ...devices,
    { name: "vendor.com/class=x", optional: true },
    { name: "gpu", optional: false },
  ]);
});

const FLAGS: readonly (readonly [plain: string, flagged: string])[] = [
  ["FROM base", "FROM --platform=linux/s390x base"],
  ["RUN x", "RUN --mount=type=tmpfs,target=/t x"],
  ["RUN x", "RUN --network=none x"],
  ["RUN x", "RUN --security=insecure x"],
  ...["--chown=1:2", "--chmod=700", "--link", "--exclude=b"].flatMap((flag) => [
    ["COPY a /", `COPY ${flag} a /`] as const,
    ["ADD a /", `ADD ${flag} a /`] as const,
  ]),
  ["COPY a /", "COPY --from=other a /"],
  ["COPY a /", "COPY --parents a /"],
  ["ADD a /", "ADD --unpack=false a /"],
  ["ADD http://h.test/a /", "ADD --unpack=true http://h.test/a /"],
  ["ADD http://h.test/a /", `ADD --checksum=sha256:${"1".repeat(64)} http://h.test/a /`],
  ["ADD https://h.test/a.git /", "ADD --keep-git-dir https://h.test/a.git /"],
  ["HEALTHCHECK CMD x", "HEALTHCHECK --interval=1s CMD x"],
  ["HEALTHCHECK CMD x", "HEALTHCHECK --timeout=1s CMD x"],
  ["HEALTHCHECK CMD x", "HEALTHCHECK --start-period=1s CMD x"],
  ["HEALTHCHECK CMD x", "HEALTHCHECK --start-interval=1s CMD x"],
  ["HEALTHCHECK CMD x", "HEALTHCHECK --retries=1 CMD x"],
];
for (const [plain, flagged] of FLAGS)
  test(`${flagged} is not what ${plain} is`, async () => {
    const compiled = async (text: string): Promise<string> => {
      const own = text.startsWith("FROM") ? text : `FROM base\n${text}`;
      const { vertices, image } = await build(`FROM base AS other\nFROM base AS kept\n${own}`);
      return inspect([vertices.map(({ op, platform }) => [op, platform]), image.config], {
        depth: null,
        maxArrayLength: null,
      });
    };
    assert.notEqual(await compiled(flagged), await compiled(plain));
  });
