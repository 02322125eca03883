/** Installs what the tests need besides npm's packages, runs every test, fast ones first, and says loudly what was skipped. */
import { spawnSync } from "node:child_process";
import { globSync, mkdirSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { relative } from "node:path";
import { installHint, installPrograms } from "./lib/system-packages.ts";

const PROGRAMS = [
  { program: "crun", package: "crun" },
  { program: "runc", package: "runc" },
  { program: "busybox", package: "busybox-static" },
  { program: "docker-registry", package: "docker-registry" },
  { program: "htpasswd", package: "apache2-utils" },
  { program: "openssl", package: "openssl" },
  { program: "skopeo", package: "skopeo" },
  { program: "umoci", package: "umoci" },
  { program: "buildah", package: "buildah" },
  { program: "dockerd", package: "docker.io" },
  { program: "docker", package: "docker-cli" },
  { program: "mmdebstrap", package: "mmdebstrap" },
  { program: "strace", package: "strace" },
  { program: "setfattr", package: "attr" },
  { program: "setcap", package: "libcap2-bin" },
  { program: "newuidmap", package: "uidmap" },
  { program: "qemu-aarch64-static", package: "qemu-user-static" },
  { program: "xz", package: "xz-utils" },
  { program: "bzip2", package: "bzip2" },
  { program: "zstd", package: "zstd" },
  { program: "mkfs.btrfs", package: "btrfs-progs" },
  { program: "mkfs.xfs", package: "xfsprogs" },
  { program: "filefrag", package: "e2fsprogs" },
  { program: "git", package: "git" },
  { program: "gcc", package: "gcc" },
  { program: "make", package: "make" },
  { program: "../lib/python3/dist-packages/pip/__init__.py", package: "python3-pip" },
  { program: "../lib/python3/dist-packages/setuptools/__init__.py", package: "python3-setuptools" },
  // A library, known by one of its files.
  { program: "../lib/python3/dist-packages/docker/__init__.py", package: "python3-docker" },
  { program: "go", package: "golang-go" },
  {
    program: "/usr/share/gocode/src/github.com/containerd/stargz-snapshotter/estargz/estargz.go",
    package: "golang-github-containerd-stargz-snapshotter-dev",
  },
];
/** What suites of others need, if the environment names a checkout of them. */
if (process.env["VARVE_DOCKER_PY"] !== undefined)
  for (const name of ["pytest", "paramiko"])
    PROGRAMS.push({ program: `../lib/python3/dist-packages/${name}/__init__.py`, package: `python3-${name}` });
/** Fewer tests than this mean that the runner did not find them. */
const LEAST = 300;
/** Number of files that are named as the slowest. */
const SLOWEST = 20;

const missing = installPrograms(PROGRAMS);
if (missing.length > 0) console.log(`some tests will be skipped; to run them: ${installHint(missing)}`);

const only = process.argv.slice(2);
const files =
  only.length > 0 ? only : [...globSync("src/**/*.test.ts").toSorted(), ...globSync("test/**/*.test.ts").toSorted()];
if (files.length === 0) throw new Error("no test files found");

mkdirSync(".cache", { recursive: true });
const reporters = ["--test-reporter=spec", "--test-reporter-destination=stdout"];
const counter = ["--test-reporter=./scripts/lib/count-reporter.ts", "--test-reporter-destination=.cache/tests.json"];
// Node's default is one file fewer at once: tests wait for other programs much of their time.
const { status } = spawnSync(
  process.execPath,
  [
    "--test",
    `--test-concurrency=${availableParallelism()}`,
    "--test-timeout=600000",
    ...reporters,
    ...counter,
    ...files,
  ],
  { stdio: "inherit" },
);

interface Summary {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: readonly { name: string; file: string; reason: string }[];
  /** Milliseconds by file. */
  readonly times: Readonly<Record<string, number>>;
}
const summary = JSON.parse(readFileSync(".cache/tests.json", "utf8")) as Summary;
const slowest = Object.entries(summary.times).toSorted(([, a], [, b]) => b - a);
if (only.length === 0)
  for (const [file, ms] of slowest.slice(0, SLOWEST))
    console.log(`SLOW ${relative(".", file)}: ${Math.round(ms / 1000)} s`);
for (const skip of summary.skipped) console.log(`SKIPPED ${skip.file}: ${skip.name} (${skip.reason})`);
console.log(`${summary.passed} passed, ${summary.failed} failed, ${summary.skipped.length} skipped`);
const tooFew = only.length === 0 && summary.passed < LEAST;
if (tooFew) console.error(`only ${summary.passed} tests passed; at least ${LEAST} are expected`);
process.exitCode = status === 0 && !tooFew ? 0 : 1;
