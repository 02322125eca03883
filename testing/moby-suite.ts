import { execFileSync, spawn } from "node:child_process";
import { appendFileSync, chmodSync, copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readGoResults } from "../conformance/go-results.ts";
import type { SuiteResult } from "../conformance/suites.ts";
import { temporaryDirectory } from "../src/io/index.ts";
import type { DockerServer } from "./docker-server.ts";
import { fillRootfs } from "./rootfs.ts";
import { finished } from "./varve.ts";

/** A user that one of the tests becomes. It is there for the tests alone. */
const USER = "unprivilegeduser";
const CMD = 'CMD ["sh"]';
const PATH = "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** What moby's tests take for granted, by name, with what tells them apart. */
const IMAGES: readonly (readonly [name: string, tag: string, changes: readonly string[], platform?: string])[] = [
  ["busybox", "latest", [CMD, PATH]],
  ["busybox", "glibc", [CMD, PATH, "LABEL of=glibc"]],
  ["debian", "trixie-slim", [CMD, PATH, "LABEL of=debian"]],
  ["hello-world", "frozen", ['CMD ["/hello"]']],
  ["hello-world", "amd64", ['CMD ["/hello"]', "LABEL of=amd64"]],
  ["hello-world", "arm64", ['CMD ["/hello"]', "LABEL of=arm64"], "linux/arm64"],
];

/** Gives a server the images that the tests expect to find, each a small system of busybox. */
export async function importMobyImages(server: DockerServer): Promise<void> {
  await using root = await temporaryDirectory("varve-moby-image-");
  fillRootfs(root.path);
  appendFileSync(join(root.path, "etc/passwd"), "nobody:x:65534:65534:nobody:/home:/bin/false\n");
  appendFileSync(join(root.path, "etc/group"), "wheel:x:10:root\nnobody:x:65534:\n");
  writeFileSync(join(root.path, "hello"), '#!/bin/sh\necho "Hello from Docker!"\n');
  for (const [path, mode] of [
    ["hello", 0o755],
    ["tmp", 0o1777],
  ] as const)
    chmodSync(join(root.path, path), mode);
  const body = execFileSync("tar", ["-C", root.path, "--numeric-owner", "-c", "."], { maxBuffer: 1 << 28 });
  for (const [name, tag, changes, platform = ""] of IMAGES) {
    const query = new URLSearchParams({ fromSrc: "-", repo: name, tag, platform });
    for (const change of changes) query.append("changes", change);
    const { status, text } = await server.ask("POST", `/images/create?${query.toString()}`, { body });
    if (status !== 200) throw new Error(text);
  }
}

interface MobyRun {
  /** A folder of a checkout of moby, with its tests compiled as `go test -c` does: `<folder>.test`. */
  readonly folder: string;
  /** Which tests, as `go test` takes it. */
  readonly run: string;
  readonly skip?: string;
  /** A current `docker`, with buildx. */
  readonly docker: string;
}

/** Runs compiled tests of moby against a server. Returns how each ended, subtests too, and all that was printed. */
export async function runMobyTests(
  { folder, run, skip, docker }: MobyRun,
  server: DockerServer,
): Promise<{ readonly results: ReadonlyMap<string, SuiteResult>; readonly printed: string }> {
  await using own = await temporaryDirectory("varve-moby-");
  for (const name of ["config", "tmp", "dest"]) mkdirSync(join(own.path, name));
  const plugins = { cliPluginsExtraDirs: [join(docker, "../../libexec/docker/cli-plugins")] };
  writeFileSync(join(own.path, "config/config.json"), JSON.stringify(plugins));
  // The user that is none of the server's group connects too.
  for (const path of [own.path, server.folder]) chmodSync(path, 0o755);
  chmodSync(server.socket, 0o666);
  for (const [file, line] of [
    ["passwd", `${USER}:x:65533:65533::/:/bin/sh\n`],
    ["shadow", `${USER}:!:19000::::::\n`],
  ] as const) {
    copyFileSync(join("/etc", file), join(own.path, file));
    appendFileSync(join(own.path, file), line);
  }
  const binary = join(folder, `${folder.split("/").at(-1)}.test`);
  const script = `mount --bind "$0/passwd" /etc/passwd && mount --bind "$0/shadow" /etc/shadow && exec "$@"`;
  const flags = [
    "-test.v",
    "-test.timeout=120m",
    `-test.run=${run}`,
    ...(skip === undefined ? [] : [`-test.skip=${skip}`]),
  ];
  const child = spawn("unshare", ["--mount", "sh", "-c", script, own.path, binary, ...flags], {
    cwd: folder,
    env: {
      PATH: `${join(docker, "..")}:${process.env["PATH"]}`,
      HOME: own.path,
      DEST: join(own.path, "dest"),
      TMPDIR: join(own.path, "tmp"),
      DOCKER_HOST: `unix://${server.socket}`,
      DOCKER_CONFIG: join(own.path, "config"),
      DOCKER_BUILDKIT: "0",
      DOCKER_CLI_HINTS: "false",
      TEST_CLIENT_BINARY: docker,
      // No test is about the store of containerd.
      TEST_INTEGRATION_USE_GRAPHDRIVER: "1",
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const { stdout, stderr } = await finished(child);
  const results = new Map([...readGoResults(stdout)].filter(([name]) => !isWhole(name)));
  return { results, printed: stdout + stderr };
}

/** Tests for a suite, which is a test with all others below it. */
function isWhole(name: string): boolean {
  return name.endsWith("Suite");
}
