import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { type BuildkitServer, startBuildkitServer } from "../../testing/buildkit-server.ts";
import { DapClient } from "../../testing/dap-client.ts";
import { descendantsOf, waitUntilGone } from "../../testing/leftovers.ts";
import { clientsUnavailable } from "../../testing/stock-clients.ts";

const EXPERIMENTAL = { BUILDX_EXPERIMENTAL: "1" };

let server: BuildkitServer;
let idle: readonly number[];

/** What a program on a terminal prints. Waits for texts, each after the one before. */
class Terminal {
  readonly #child: ChildProcess;
  #printed = "";
  #read = 0;
  #heard = Promise.withResolvers<void>();
  #isEnded = false;

  constructor(child: ChildProcess) {
    this.#child = child;
    child.stdout?.on("data", (chunk: Buffer) => {
      this.#printed += chunk.toString();
      this.#wake();
    });
    child.once("close", () => {
      this.#isEnded = true;
      this.#wake();
    });
  }

  async until(text: string): Promise<void> {
    for (;;) {
      const at = this.#printed.indexOf(text, this.#read);
      if (at >= 0) {
        this.#read = at + text.length;
        return;
      }
      if (this.#isEnded) throw new Error(`it ended without ${JSON.stringify(text)}:\n${this.#printed}`);
      await this.#heard.promise;
    }
  }

  type(text: string): void {
    this.#child.stdin?.write(text);
  }

  /** Returns the exit code and what was printed. */
  async ended(): Promise<readonly [code: number | null, printed: string]> {
    while (!this.#isEnded) await this.#heard.promise;
    return [this.#child.exitCode, this.#printed];
  }

  #wake(): void {
    this.#heard.resolve();
    this.#heard = Promise.withResolvers();
  }
}

/** Starts a debugger on a terminal. */
function debug(...args: readonly string[]): Terminal {
  const command = ["buildx", "debug", ...args];
  return new Terminal(server.remote.start(command, { env: { ...EXPERIMENTAL, TERM: "dumb" }, terminal: true }));
}

suite("debuggers of Dockerfiles", { skip: clientsUnavailable("script") }, () => {
  before(async () => {
    server = await startBuildkitServer();
    await server.remote.run(["buildx", "build", "-"], { input: `FROM ${server.base}\nRUN true\n` });
    idle = descendantsOf(server.server.pid);
  });
  after(async () => await server?.[Symbol.asyncDispose]());

  /** No container is left of the debugger. */
  async function nothingRuns(): Promise<void> {
    await waitUntilGone(descendantsOf(server.server.pid).filter((pid) => !idle.includes(pid)));
  }

  test("buildx debug --invoke opens a shell in the result", async () => {
    const folder = await server.context("invoked", "FROM BASE\nENV A=from-the-image\nRUN echo made > /made\n");
    const terminal = debug("--invoke=sh", "--on=always", "build", "--progress=plain", folder);
    await terminal.until("Launching interactive container");
    terminal.type("echo $(cat /made)-$A-$((40 + 2))\r");
    await terminal.until("made-from-the-image-42");
    terminal.type("tty; exit 3\r");
    await terminal.until("/dev/");
    await terminal.until("exit code: 3");
    await terminal.until("(buildx) ");
    terminal.type("exec sh -c 'echo $((50 + 5))-again'\r");
    await terminal.until("55-again");
    await terminal.until("(buildx) ");
    terminal.type("exit\r");
    const [code, printed] = await terminal.ended();
    assert.equal(code, 0, printed);
    await nothingRuns();
  });

  test("buildx debug --on=error opens a shell where a step has failed", async () => {
    const folder = await server.context("failing", "FROM BASE\nRUN echo half > /half; exit 7\n");
    const terminal = debug("--on=error", "--invoke=/bin/sh", "build", "--progress=plain", folder);
    await terminal.until("Launching interactive container");
    terminal.type("echo $(cat /half)-$((40 + 2))\r");
    await terminal.until("half-42");
    terminal.type("exit\r");
    await terminal.until("(buildx) ");
    terminal.type("exit\r");
    const [code, printed] = await terminal.ended();
    assert.equal(code, 1, printed);
    assert.match(printed, /exit code: 7/);
    await nothingRuns();
  });

  test("buildx dap stops at a line, shows files, and opens a shell there", async () => {
    const folder = await server.context("stepped", "FROM BASE\nRUN echo one > /one\nRUN echo two > /two\n");
    const path = join(folder, "Dockerfile");
    const child = server.remote.start(["buildx", "dap", "build", folder], { env: EXPERIMENTAL });
    const exited = once(child, "exit");
    const client = new DapClient(child);
    await client.request("initialize", { adapterID: "test", supportsRunInTerminalRequest: true });
    const launched = client.request("launch", { dockerfile: path, contextPath: folder });
    await client.event("initialized");
    const breakpoints = [{ line: 3 }];
    await client.request("setBreakpoints", { source: { path }, breakpoints });
    await client.request("configurationDone");
    await launched;
    const { threadId } = await client.event("stopped");
    const { stackFrames } = (await client.request("stackTrace", { threadId })) as { stackFrames: readonly Frame[] };
    assert.equal(stackFrames[0]?.line, 3);
    const evaluated = client.request("evaluate", { expression: "exec", context: "repl", frameId: stackFrames[0]?.id });
    const { args } = (await client.asked("runInTerminal")) as { args: readonly string[] };
    await evaluated;
    const shell = connect(args.at(-1) ?? "");
    const [ready, found] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let shown = "";
    shell.on("data", (chunk: Buffer) => {
      shown += chunk.toString();
      if (/Running .* in build container/.test(shown)) ready.resolve();
      if (/two is 1: 1/.test(shown)) found.resolve();
    });
    await ready.promise;
    shell.write("cat /one; ls /two; echo two is $?: $((3 - 2))\n");
    await found.promise;
    assert.match(shown, /\none\r\n/);
    shell.write("exit\n");
    await once(shell, "close");
    await client.request("continue", { threadId });
    await client.event("terminated");
    assert.deepEqual(await exited, [0, null]);
    await nothingRuns();
  });
});

interface Frame {
  readonly id: number;
  readonly line: number;
  readonly name: string;
}
