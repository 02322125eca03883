import assert from "node:assert/strict";
import { type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { untilMatched } from "../../testing/progress.ts";
import { type Outcome, type RunOptions, finished, sharedVarve } from "../../testing/varve.ts";

const { skip, varve, base } = await sharedVarve();

/** A process with these variables cannot open a store: what it does, the server has done. */
const ONLY_FORWARDED = {
  NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(`
  import { registerHooks } from "node:module";
  registerHooks({
    resolve: (name, context, next) => {
      if (name === "node:sqlite") throw new Error("this process must not open a store");
      return next(name, context);
    },
  });
`)}`,
};
const OWN = { VARVE_NO_SERVER: "1" };

/** Starts a server of the root. Its commands have variables that a client does not have, and the other way round. */
async function startServer(): Promise<ChildProcess> {
  const address = `unix://${join(varve.folder, "docker.sock")}`;
  const server = varve.start(["serve", "--docker", address], { env: { TOKEN: "of the server" }, cwd: "/" });
  server.stderr?.resume();
  for await (const line of server.stdout as AsyncIterable<Buffer>) if (line.includes("listen on")) break;
  while (!existsSync(join(varve.root, "command.sock"))) await new Promise((resolve) => setTimeout(resolve, 20));
  return server;
}

/** Returns the lines of the output without what differs from run to run: times, identifiers, and the order of progress. */
function stable({ code, stdout, stderr }: Outcome): Record<"code" | "stdout" | "stderr", unknown> {
  const lines = (output: string): string[] =>
    output
      .replaceAll(/^#\d+ (?:\.\.\.$|\d+\.\d+ )?/gm, "")
      .replaceAll(/ ?\d+\.\d+s/g, "")
      .replaceAll(/"(varve\.build\.ref|ms|digest)": [^\n]*/g, '"$1"')
      .split("\n");
  return { code, stdout: lines(stdout), stderr: [...new Set(lines(stderr))].sort() };
}

suite("commands that a running server executes", { skip }, () => {
  let server: ChildProcess;
  let context: string;

  before(async () => {
    server = await startServer();
    context = await varve.context(
      "app",
      `FROM ${base}\nARG TOKEN=none\nCOPY file /file\nRUN --mount=type=secret,id=s,env=S echo "$TOKEN $S" > /out\nFROM scratch\nCOPY --from=0 /out /out\n`,
      { file: "x" },
    );
  });
  after(async () => {
    server.kill("SIGTERM");
    if (server.exitCode === null) await once(server, "exit");
  });

  test("the step runs in the server, with the client's variables, directory and files", async () => {
    const options: RunOptions = { cwd: context, env: { ...ONLY_FORWARDED, TOKEN: "of the client", S: "secret" } };
    const args = ["build", "--build-arg", "TOKEN", "--secret", "id=s,env=S", "--iidfile", "id", "-o", "out", "."];
    const forwarded = await varve.run(args, options);
    assert.equal(forwarded.code, 0, forwarded.stderr);
    assert.equal(readFileSync(join(context, "out/out"), "utf8"), "of the client secret\n");
    const refused = await varve.run([...args, "--no-cache", "--no-server"], options);
    assert.match(refused.stderr, /this process must not open a store/);
    rmSync(join(context, "out"), { recursive: true });
    rmSync(join(context, "id"), { force: true });
  });

  test("output and exit codes are those of a process of its own", async () => {
    const failing = await varve.context("failing", `FROM ${base}\nRUN echo no >&2; exit 7\n`);
    const archive = new Uint8Array(readFileSync("/bin/true"));
    const cases: readonly (readonly [string[], RunOptions?])[] = [
      [["build", "--progress=plain", "-t", "app:1", context]],
      [["build", "--progress=plain", "--metadata-file=-", context]],
      [["build", "-q", "-t", "app:1", "."], { cwd: context }],
      [["build", "--progress=plain", failing]],
      [["build", "--progress=plain", "--debug", join(varve.folder, "missing")]],
      [["build", "--nope"]],
      [["build", "--check", context]],
      [["build", "--call=outline", context]],
      [["build", "--progress=plain", "-"], { input: "FROM scratch\nLABEL a=b\n" }],
      [["build", "--progress=plain", "-"], { input: archive }],
      [["build", "-q", "-f", "-", "."], { cwd: context, input: "FROM scratch\nCOPY file /\n" }],
      [["build", "--help"]],
      [["images", "-q"]],
      [["images", "--format", "json"]],
      [["inspect", "app:1"]],
      [["inspect", "missing"]],
      [["history", "-q", "app:1"]],
      [["tag", "app:1", "app:2"]],
      [["--root", varve.root, "rmi", "missing"]],
    ];
    for (const [args, options = {}] of cases) {
      const ownOptions = { ...options, env: OWN };
      if (args[0] === "build") await varve.run(args, ownOptions);
      const [own, forwarded] = await Promise.all([varve.run(args, ownOptions), varve.run(args, options)]);
      assert.deepEqual(stable(forwarded), stable(own), args.join(" "));
    }
  });

  test("an archive of many frames arrives whole on standard output", async () => {
    const big = await varve.files("big", {
      Dockerfile: "FROM scratch\nCOPY data /\n",
      data: Buffer.alloc(9_000_000, 7),
    });
    const tar = varve.start(["build", "-q", "-o", "-", big], { env: ONLY_FORWARDED });
    const outcome = await finished(tar);
    assert.equal(outcome.code, 0, outcome.stderr);
    assert.equal(outcome.stdout.split("\u0007").length, 9_000_001);
  });

  test("an interrupt cancels the step; a client that is killed does too", async () => {
    const slow = await varve.context("slow", `FROM ${base}\nRUN echo started; sleep 1000\n`);
    for (const signal of ["SIGINT", "SIGKILL"] as const) {
      const child = varve.start(["build", "--progress=plain", "--no-cache", slow], { env: ONLY_FORWARDED });
      const exit = finished(child);
      await untilMatched(child, /^#\d+ [\d.]+ started/m);
      child.kill(signal);
      const { code } = await exit;
      assert.equal(code, signal === "SIGINT" ? 130 : null);
    }
    const { stdout } = await varve.run(["build", "-q", context], { env: ONLY_FORWARDED });
    assert.match(stdout, /^sha256:/);
  });

  test("a process with another umask, other rights or another proxy runs its commands itself", async () => {
    const runs: readonly RunOptions[] = [
      { wrapper: ["sh", "-c", 'umask 077; exec "$@"', "sh"] },
      { wrapper: ["setpriv", "--no-new-privs"] },
      { env: { HTTPS_PROXY: "http://127.0.0.1:9" } },
      { env: OWN },
    ];
    const outcomes = runs.map(async (options) => {
      const { stderr } = await varve.run(["images", "-q"], { ...options, env: { ...ONLY_FORWARDED, ...options.env } });
      assert.match(stderr, /this process must not open a store/, JSON.stringify(options));
    });
    await Promise.all(outcomes);
  });

  test("in a directory that was removed, a process runs its commands itself", async () => {
    const wrapper = ["sh", "-c", 'mkdir removed && cd removed && rmdir ../removed && exec "$@"', "sh"];
    const { code, stderr } = await varve.run(["images", "-q"], { wrapper });
    assert.equal(code, 0, stderr);
  });

  test("a server that has ended is told as such, and later commands run by themselves", async () => {
    server.kill("SIGTERM");
    await once(server, "exit");
    assert.equal(existsSync(join(varve.root, "command.sock")), false);
    const { code } = await varve.run(["images"]);
    assert.equal(code, 0);
  });
});
