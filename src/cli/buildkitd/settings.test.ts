import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { startServing } from "../../../testing/buildkit-server.ts";
import { Varve, buildsUnavailable } from "../../../testing/varve.ts";
import { isVarveError } from "../../core/index.ts";
import { parseFlags } from "../flags.ts";
import { type BuildkitdConfig, parseBuildkitdConfig } from "./config.ts";
import { FLAGS } from "./flags.ts";
import { addressesOf, collectionOf, socketAccess, storeOptions, workerOptions } from "./settings.ts";

const usage = (error: unknown): boolean => isVarveError(error, "invalid-argument") && error.details.usage === true;
const flagsOf = (...argv: string[]) => parseFlags(argv, FLAGS).flags;
const configOf = (text: string): BuildkitdConfig => parseBuildkitdConfig(text, "buildkitd.toml");
const EMPTY = configOf("");

/** The global options of `buildkitd --help`, with an argument where they take one. */
const REAL_FLAGS =
  `--rootless --config= --debug --root= --addr= --log-format= --log-level= --group= --debugaddr= --tlscert= --tlskey=
  --tlscacert= --allow-insecure-entitlement= --proxy-network --otel-socket-path= --cdi-disabled --cdi-spec-dir= --save-cache-debug
  --containerd-worker= --containerd-worker-addr= --containerd-worker-labels= --containerd-worker-net= --containerd-cni-config-path=
  --containerd-cni-binary-dir= --containerd-cni-pool-size= --containerd-worker-snapshotter= --containerd-worker-apparmor-profile=
  --containerd-worker-selinux --containerd-max-parallelism= --containerd-worker-rootless --containerd-worker-gc
  --containerd-worker-gc-keepstorage= --oci-worker= --oci-worker-labels= --oci-worker-snapshotter= --oci-worker-proxy-snapshotter-path=
  --oci-worker-platform= --oci-worker-net= --oci-cni-config-path= --oci-cni-binary-dir= --oci-cni-pool-size= --oci-worker-binary=
  --oci-worker-apparmor-profile= --oci-worker-selinux --oci-max-parallelism= --oci-worker-rootless --oci-worker-no-process-sandbox
  --oci-worker-gc --oci-worker-gc-keepstorage= --version`.split(/\s+/);

test("every flag of buildkitd is accepted, and switches take no word after them", () => {
  for (const flag of REAL_FLAGS) {
    const isSwitch = !flag.endsWith("=");
    const argv = isSwitch ? [flag, "--addr", "unix:///a"] : [`${flag}x`, "--addr", "unix:///a"];
    assert.equal(flagsOf(...argv).addr.at(-1), "unix:///a", flag);
    if (!isSwitch) assert.equal(parseFlags([flag.slice(0, -1), "x"], FLAGS).args.length, 0, flag);
  }
});

test("what collection keeps is that of the flags, else that of the configuration", () => {
  const config = configOf('[worker.oci]\ngc = false\nreservedSpace = "1%"\nmaxUsedSpace = 9\n');
  const collected = (...argv: string[]): unknown => collectionOf(flagsOf(...argv), config);
  assert.deepEqual(collected(), { enabled: false, reservedSpace: { percent: 1 }, maxUsedSpace: 9 });
  assert.deepEqual(collected("--oci-worker-gc-keepstorage="), { enabled: false });
  assert.deepEqual(collected("--oci-worker-gc-keepstorage", "2000"), { enabled: false, reservedSpace: 2e9 });
  assert.deepEqual(collected("--oci-worker-gc", "--oci-worker-gc-keepstorage=1,2,3"), {
    enabled: true,
    reservedSpace: 1e6,
    minFreeSpace: 2e6,
    maxUsedSpace: 3e6,
  });
  assert.deepEqual(collectionOf(flagsOf("--oci-worker-gc=false"), EMPTY), { enabled: false });
  for (const text of ["x", "1,", "1,2,3,4", "-1", "1GB"])
    assert.throws(() => collected(`--oci-worker-gc-keepstorage=${text}`), usage, text);
});

test("the store and the worker are set by flags, else by the configuration", () => {
  const config = configOf(`
root = "/r"
insecure-entitlements = ["network.host"]
[system]
maxRegistryConcurrency = 3
[dns]
nameservers = ["10.0.0.1"]
searchDomains = ["a.example"]
options = ["edns0"]
[worker.oci]
snapshotter = "native"
binary = "crun"
platforms = ["linux/arm64"]
defaultCgroupParent = "/builds"
`);
  assert.deepEqual(config.unknown, []);
  const { root, snapshotter, steps, registry } = storeOptions(flagsOf(), config, {});
  assert.deepEqual([root, snapshotter, registry?.concurrency], ["/r", "copy", 3]);
  const dns = { servers: ["10.0.0.1"], search: ["a.example"], options: ["edns0"] };
  assert.deepEqual(steps, { runtime: "crun", cgroupParent: "/builds", dns });
  const given = flagsOf("--root=/o", "--oci-worker-snapshotter=overlayfs", "--oci-worker-binary=/x/runc");
  const changed = storeOptions(given, config, {});
  assert.deepEqual([changed.root, changed.snapshotter, changed.steps?.runtime], ["/o", "overlay", "/x/runc"]);
  assert.deepEqual(workerOptions(flagsOf(), config).platforms, [{ os: "linux", architecture: "arm64" }]);
  const flags = flagsOf(
    "--oci-worker-platform=linux/386,linux/amd64",
    "--allow-insecure-entitlement=device,security.insecure",
  );
  const worker = workerOptions(flags, config);
  assert.deepEqual(
    worker.platforms?.map(({ architecture }) => architecture),
    ["386", "amd64"],
  );
  assert.deepEqual(worker.entitlements, ["network.host", "device", "security.insecure"]);
  assert.deepEqual(workerOptions(flagsOf("--cdi-disabled"), config).entitlements, ["network.host"]);
  assert.throws(() => workerOptions(flagsOf("--oci-worker-platform=a/b/c/d"), EMPTY), usage);
  assert.deepEqual(addressesOf(flagsOf("--addr=unix:///a,unix:///b", "--addr=unix:///c"), EMPTY).length, 3);
});

test("devices are those of the flags, else of the configuration; clients may grant them unless they are turned off", () => {
  const config = configOf('[cdi]\nspecDirs = ["/a", "/b"]\nautoAllowed = ["v/c"]\n');
  const devices = (...argv: string[]): unknown => storeOptions(flagsOf(...argv), config, {}).devices;
  assert.deepEqual(devices(), { directories: ["/a", "/b"], autoAllowed: ["v/c"] });
  assert.deepEqual(devices("--cdi-spec-dir=/c,/d", "--cdi-spec-dir=/e", "--cdi-disabled"), {
    disabled: true,
    directories: ["/c", "/d", "/e"],
    autoAllowed: ["v/c"],
  });
  assert.deepEqual(workerOptions(flagsOf(), config).entitlements, ["device"]);
  assert.deepEqual(workerOptions(flagsOf(), configOf("[cdi]\ndisabled = true\n")).entitlements, []);
});

test("a socket belongs to the group of the flag, else to the ids of the configuration", async () => {
  const config = configOf("[grpc]\nuid = 5\ngid = 6\n");
  assert.equal(await socketAccess(flagsOf(), EMPTY), undefined);
  assert.deepEqual(await socketAccess(flagsOf(), config), { kind: "ids", uid: 5, gid: 6 });
  assert.deepEqual(await socketAccess(flagsOf("--group=7"), config), { kind: "ids", uid: 5, gid: 7 });
  assert.deepEqual(await socketAccess(flagsOf("--group", "root"), EMPTY), { kind: "ids", gid: 0 });
  await assert.rejects(socketAccess(flagsOf("--group=no such group"), EMPTY), usage);
});

test("unknown keys are named with their table", () => {
  const text = 'surprise = 1\n[worker.oci]\nfoo = 1\ngc = true\n[worker.oci.labels]\na = "b"\n[grpc.tls]\nbar = "x"\n';
  assert.deepEqual(configOf(text).unknown.toSorted(), ["grpc.tls.bar", "surprise", "worker.oci.foo"]);
});

test(
  "buildkitd gives its sockets to the group of the flag, and names the keys that it does not know",
  { skip: buildsUnavailable() ?? false },
  async () => {
    await using varve = await Varve.open();
    assert.match((await varve.run(["buildkitd", "--version"])).stdout, /^buildkitd varve v\d+\.\d+\.\d+\S*\n$/);
    const config = join(varve.folder, "buildkitd.toml");
    writeFileSync(config, "[worker.oci]\nfoo = 1\n");
    const socket = join(varve.folder, "run/buildkit/b.sock");
    const args = [
      "buildkitd",
      `--config=${config}`,
      `--addr=unix://${socket}`,
      `--root=${join(varve.folder, "root")}`,
      "--group=12",
    ];
    await using server = await startServing(varve, args);
    const { gid, mode } = await stat(socket);
    assert.deepEqual([gid, mode & 0o777], [12, 0o660]);
    assert.ok(server.printed.includes("warning: configuration key worker.oci.foo is unknown"));
  },
);
