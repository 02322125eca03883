import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { isVarveError } from "../../core/index.ts";
import { temporaryDirectory } from "../../io/index.ts";
import { parseBuildkitdConfig, readBuildkitdConfig } from "./config.ts";

const TEXT = `
debug = true
root = "/var/lib/other"
insecure-entitlements = [ "network.host" ]
surprise = 1
[grpc]
  address = [ "unix:///run/b.sock", "tcp://127.0.0.1:1234" ]
  [grpc.tls]
    cert = "/c.pem"
    key = "/k.pem"
    ca = "/ca.pem"
[otel]
  socketPath = "/run/otel.sock"
[worker.oci]
  enabled = true
  max-parallelism = 4
  [worker.oci.labels]
    "org.example" = "x"
[frontend."gateway.v0"]
  enabled = false
  allowedRepositories = [ "docker.io/docker/dockerfile" ]
[registry."docker.io"]
  mirrors = [ "localhost:5000" ]
[registry."other:5000"]
  http = true
  insecure = true
  ca = [ "/own.pem" ]
  [[registry."other:5000".keypair]]
    cert = "/pair.pem"
    key = "/pair-key.pem"
`;

test("a configuration of buildkitd is read, and its unknown keys are named", () => {
  const config = parseBuildkitdConfig(TEXT, "buildkitd.toml");
  assert.equal(config.root, "/var/lib/other");
  assert.deepEqual(config.entitlements, ["network.host"]);
  assert.deepEqual(config.addresses, ["unix:///run/b.sock", "tcp://127.0.0.1:1234"]);
  assert.deepEqual(config.tls, { ca: "/ca.pem", cert: "/c.pem", key: "/k.pem" });
  assert.deepEqual(config.gateway, { enabled: false, repositories: ["docker.io/docker/dockerfile"] });
  assert.equal(config.maxParallelism, 4);
  assert.equal(parseBuildkitdConfig("[worker.oci]\nmax-parallelism = 0\n", "b.toml").maxParallelism, undefined);
  assert.deepEqual(config.labels, { "org.example": "x" });
  assert.deepEqual(config.unknown, ["surprise"]);
  assert.deepEqual(config.registries["docker.io"]?.mirrors, ["localhost:5000"]);
  const other = config.registries["other:5000"];
  assert.deepEqual([other?.http, other?.insecure, other?.ca], [true, true, "/own.pem"]);
  assert.deepEqual([other?.cert, other?.key], ["/pair.pem", "/pair-key.pem"]);
});

test("the policies of collection and the limits of the history are read", () => {
  const { collection, history } = parseBuildkitdConfig(
    `
[worker.oci]
  gc = true
  gckeepstorage = "5GB"
  [[worker.oci.gcpolicy]]
    keepBytes = 20
    keepDuration = 3600
    filters = [ "type==source.local" ]
  [[worker.oci.gcpolicy]]
    all = true
    keepDuration = "2h"
    maxUsedSpace = "20%"
[history]
  maxAge = "48h"
  maxEntries = 5
`,
    "buildkitd.toml",
  );
  assert.deepEqual(collection, {
    enabled: true,
    reservedSpace: 5 * 2 ** 30,
    policies: [
      { keepDuration: 3_600_000, filters: ["type==source.local"], reservedSpace: 20 },
      { all: true, keepDuration: 7_200_000, maxUsedSpace: { percent: 20 } },
    ],
  });
  assert.deepEqual(history, { maxAge: 172_800_000, maxEntries: 5 });
  const sized = parseBuildkitdConfig('[worker.oci]\ngckeepstorage = 1\nminFreeSpace = "1%"\n', "buildkitd.toml");
  assert.deepEqual(sized.collection, { minFreeSpace: { percent: 1 } }, "the old name counts alone only");
});

test("a malformed configuration is an error, and a missing one only if the user named it", async () => {
  for (const text of [
    "root = ",
    "root = 1",
    "registry = 1",
    "[worker.oci]\nmax-parallelism = -1",
    'insecure-entitlements = "x"',
  ])
    assert.throws(
      () => parseBuildkitdConfig(text, "buildkitd.toml"),
      (error) => isVarveError(error, "invalid-argument") && error.message.includes("buildkitd.toml"),
      text,
    );
  await using folder = await temporaryDirectory();
  const missing = join(folder.path, "none.toml");
  assert.deepEqual((await readBuildkitdConfig(missing, false)).addresses, []);
  await assert.rejects(readBuildkitdConfig(missing, true), (error) => isVarveError(error, "invalid-argument"));
});
