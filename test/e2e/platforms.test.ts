/** Steps of other platforms run by emulators, as root and as an ordinary user, and nothing is registered with the machine. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { hostPlatform } from "../../src/core/index.ts";
import { foreignPackages } from "../../testing/newer-packages.ts";
import { ordinaryUser } from "../../testing/ordinary-user.ts";
import { registryMissing, startRegistry } from "../../testing/registry-server.ts";
import { type RunOptions, Varve, buildsUnavailable, finished, sh } from "../../testing/varve.ts";

const QEMU = "/usr/bin/qemu-aarch64-static";
const BINFMT_MISC = "/proc/sys/fs/binfmt_misc";
const EPOCH = ["--build-arg", "SOURCE_DATE_EPOCH=1700000000"];

function unavailable(): string | undefined {
  if (hostPlatform().architecture !== "amd64")
    return "the foreign platform of these tests is arm64, and the other one amd64";
  if (!existsSync(QEMU)) return "qemu-user-static is not installed";
  return buildsUnavailable("nsenter");
}

const missing = unavailable();
const packages = missing === undefined ? foreignPackages("arm64", "busybox-static") : undefined;
const skip = missing ?? (packages === undefined ? "Debian's busybox-static:arm64 cannot be had" : false);
const user = ordinaryUser();

/** `RUN` by shells in shells, whiteouts, owners, another user, and a program that is run with the rights of its owner. */
const DOCKERFILE = `FROM scratch
ARG TARGETARCH
COPY --chmod=755 busybox-$TARGETARCH /bin/busybox
COPY passwd /etc/
RUN ["/bin/busybox", "--install", "-s", "/bin"]
RUN uname -m > /machine && sh -c 'sh -c "echo \\$0 > /name"' && mkdir /gone && echo 1 > /gone/f && chmod 4755 /bin/busybox
RUN rm -r /gone && mkdir /gone && chown 1000:65534 /gone && ln /machine /hard && mkfifo /pipe && mkdir -m 1777 /tmp
USER 1000:7
RUN id -u > /tmp/id && id -g >> /tmp/id && su root -c 'id -u >> /tmp/id'
`;

/** What hides the emulators for arm64 from a command. */
const HIDDEN = ["unshare", "--mount", "sh", "-c", 'mount --bind /dev/null "$1" && shift && exec "$@"', "varve", QEMU];

async function contextOf(varve: Varve, dockerfile = DOCKERFILE): Promise<string> {
  const context = await varve.context("app", dockerfile, {
    passwd: "root::0:0:root:/root:/bin/sh\nu:x:1000:7::/:/bin/sh\n",
  });
  copyFileSync("/bin/busybox", join(context, "busybox-amd64"));
  copyFileSync(join(packages ?? "", "usr/bin/busybox"), join(context, "busybox-arm64"));
  for (const name of ["busybox-amd64", "busybox-arm64"]) chmodSync(join(context, name), 0o755);
  return context;
}

async function arm64(varve: Varve, context: string) {
  const output = `type=oci,dest=${join(varve.folder, "image.tar")},rewrite-timestamp=true`;
  return await varve.build(["--platform=linux/arm64", ...EPOCH, "-o", output, context]);
}

describe("a build for another platform", { skip }, () => {
  let varve: Varve;
  let context: string;
  let registered: readonly string[];

  before(async () => {
    registered = existsSync(BINFMT_MISC) ? readdirSync(BINFMT_MISC) : [];
    varve = await Varve.open();
    context = await contextOf(varve);
  });
  after(async () => {
    await varve[Symbol.asyncDispose]();
    assert.deepEqual(existsSync(BINFMT_MISC) ? readdirSync(BINFMT_MISC) : [], registered);
  });

  test("fails at once without an emulator: with the step, the platform and what helps", async () => {
    const { code, stderr } = await varve.tryBuild(["--platform=linux/arm64", context], { wrapper: HIDDEN });
    assert.equal(code, 5, stderr);
    assert.match(stderr, /RUN \["\/bin\/busybox", "--install"/);
    assert.match(
      stderr,
      /Cannot run "\/bin\/busybox --install -s \/bin" for linux\/arm64: there is no emulator for linux\/arm64/,
    );
    assert.match(stderr, /To fix: (?:sudo|docker) \S+/);
    assert.doesNotMatch(stderr, /exec format error/i);
  });

  test("is possible where doctor says so, and a server lists what it lists", async () => {
    const listed = async (options: RunOptions = {}): Promise<string> => {
      const { stdout } = await varve.run(["doctor"], options);
      return /^(?:ok|limited) +platforms .*(?:\n {8,}.*)*/m.exec(stdout)?.[0] ?? stdout;
    };
    const [all, fewer] = await Promise.all([listed(), listed({ wrapper: HIDDEN })]);
    assert.match(all, /^ok +platforms +linux\/amd64, .*linux\/arm64/);
    assert.match(fewer, /^limited/);
    assert.doesNotMatch(fewer, /linux\/arm64,/);
    assert.match(fewer, /RUN steps of others cannot run: there is no emulator for linux\/arm64/);
    assert.match(fewer, /to fix: (?:sudo|docker) /i);
    const address = `unix://${join(varve.folder, "buildkit.sock")}`;
    const server = varve.start(["serve", "--buildkit", address]);
    try {
      if (server.stdout !== null) await once(server.stdout, "data");
      const { stdout } = await varve.run(["buildctl", "--addr", address, "debug", "workers"]);
      const platforms = all.replace(/^ok +platforms +/, "").replaceAll(", ", ",");
      assert.ok(stdout.includes(platforms), `${platforms} is not in:\n${stdout}`);
    } finally {
      server.kill("SIGTERM");
      await finished(server);
    }
  });

  test("makes the same image as root and as an ordinary user; from the cache without an emulator", async (t) => {
    const built = await arm64(varve, context);
    const digest = built.metadata["containerimage.digest"];
    assert.match(String(digest), /^sha256:/);
    const made = await varve.make(["--platform=linux/arm64", ...EPOCH, context], { wrapper: HIDDEN });
    assert.deepEqual(
      ["hard", "tmp/id", "name"].map((name) => made.text(name)),
      ["aarch64\n", "1000\n7\n0\n", "sh\n"],
    );
    assert.equal(made.config.architecture, "arm64");
    if (typeof user === "string") return t.skip(user);
    await using other = await Varve.open({ user });
    const theirs = await arm64(other, await contextOf(other));
    assert.equal(theirs.metadata["containerimage.digest"], digest);
  });

  test("runs by BuildKit's emulators, where there is one in PATH", async () => {
    const folder = join(varve.folder, "bin");
    mkdirSync(folder);
    copyFileSync(QEMU, join(folder, "buildkit-qemu-aarch64"));
    chmodSync(join(folder, "buildkit-qemu-aarch64"), 0o755);
    const dockerfile = `FROM scratch\nCOPY --chmod=755 busybox-arm64 /busybox\nRUN ["/busybox", "mkdir", "/made"]\nRUN ["/busybox", "cp", "/proc/self/cmdline", "/made/line"]\n`;
    const wrapped = await contextOf(varve, dockerfile);
    const path = `${folder}:${process.env["PATH"]}`;
    const made = await varve.make(["--platform=linux/arm64", wrapped], { wrapper: HIDDEN, env: { PATH: path } });
    assert.match(made.text("made/line"), /\/busybox\0cp/);
    assert.ok(!made.files.has("dev/.buildkit_qemu_emulator"));
  });

  test("has both platforms in one index, which others pull", { skip: registryMissing() ?? false }, async () => {
    await using registry = await startRegistry();
    const name = `${registry.host}/app:both`;
    const platforms = "--platform=linux/amd64,linux/arm64";
    const built = await varve.build([platforms, "--push", "-t", name, await contextOf(varve)]);
    for (const step of ["[linux/amd64 5/6] RUN rm -r", "[linux/arm64 5/6] RUN rm -r"])
      assert.ok(built.stderr.includes(step), `${step} is not in:\n${built.stderr}`);
    const again = await varve.build([platforms, "--push", "-t", name, context], { wrapper: HIDDEN });
    assert.equal(again.metadata["containerimage.digest"], built.metadata["containerimage.digest"]);
    for (const architecture of ["amd64", "arm64"]) {
      const to = join(varve.folder, `pulled-${architecture}`);
      const source = ["--src-tls-verify=false", `docker://${name}`, `oci:${to}:app`];
      await sh("skopeo", `--override-arch=${architecture}`, "copy", ...source);
      const config = await sh("skopeo", "inspect", "--config", `oci:${to}:app`);
      assert.equal((JSON.parse(config) as { architecture: string }).architecture, architecture);
    }
  });
});
