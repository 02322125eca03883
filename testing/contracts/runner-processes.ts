import assert from "node:assert/strict";
import type { ProcessStreams, RunningStep, StepProcess } from "../../src/exec/index.ts";
import { controllers } from "../controllers.ts";
import { type Bench, type Check, hasCode } from "./runner-bench.ts";

/** Output of a process that can be waited for. */
class Transcript {
  readonly streams: Pick<ProcessStreams, "onOutput">;
  text = "";
  #heard = Promise.withResolvers<void>();

  constructor() {
    this.streams = {
      onOutput: (_, chunk) => {
        this.text += Buffer.from(chunk).toString();
        this.#heard.resolve();
        this.#heard = Promise.withResolvers();
      },
    };
  }

  /** Waits until the output matches. */
  async until(expected: RegExp): Promise<void> {
    while (!expected.test(this.text)) await this.#heard.promise;
  }
}

/** Input that a test writes as it goes. */
function input(): { readonly bytes: AsyncIterable<Uint8Array>; write(text: string): void; end(): void } {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>(undefined, { highWaterMark: 100 });
  const writer = writable.getWriter();
  return {
    bytes: readable,
    write: (text) => void writer.write(Buffer.from(text)).catch(() => undefined),
    end: () => void writer.close().catch(() => undefined),
  };
}

async function ending({ exited, drained }: StepProcess): Promise<number> {
  const { exitCode } = await exited;
  await drained;
  return exitCode;
}

/** A step whose first process waits until it is killed. */
async function idle({ runner, spec }: Bench): Promise<RunningStep> {
  return await runner.start(spec(["sh", "-c", "touch /kept; exec sleep 600"]));
}

const PROCESS = { cwd: "/", user: "", env: ["PATH=/usr/bin:/bin"] };

function shell(script: string): { readonly process: typeof PROCESS & { readonly args: string[] } } {
  return { process: { ...PROCESS, args: ["sh", "-c", script] } };
}

/** What steps do that run while others join them, with terminals and signals. */
export function sharedSteps(check: Check): void {
  check(
    "processes join a step: its files and processes are theirs, their output and status are their own",
    async (bench) => {
      await using step = await idle(bench);
      const [one, two] = [new Transcript(), new Transcript()];
      const typed = input();
      const first = await step.join({
        ...shell("cat; test -e /kept && ls /proc; exit 4"),
        ...one.streams,
        stdin: typed.bytes,
      });
      const second = await step.join({
        ...shell("id -u; pwd; echo $X"),
        ...two.streams,
        process: {
          args: ["sh", "-c", "id -u; pwd; echo $X; echo $HOME"],
          cwd: "/etc",
          user: "alice",
          env: ["PATH=/bin", "X=y"],
        },
      });
      typed.write("typed\n");
      typed.end();
      assert.deepEqual([await ending(first), await ending(second)], [4, 0]);
      assert.match(one.text, /^typed\n(.*\n)*1\n/);
      assert.equal(two.text, "1000\n/etc\ny\n/home/alice\n");
    },
  );

  check("a process that joins has the sandbox of the step", async (bench) => {
    const said = async (step: RunningStep, security?: "insecure"): Promise<string> => {
      const heard = new Transcript();
      const joined = await step.join({
        ...shell("grep -E '^(Seccomp|CapBnd|CapEff):' /proc/self/status; cat /proc/self/cgroup"),
        ...heard.streams,
        security,
      });
      assert.equal(await ending(joined), 0);
      return heard.text;
    };
    await using step = await bench.runner.start(bench.spec(["sleep", "600"]));
    const own = await bench.sh("grep -E '^(Seccomp|CapBnd|CapEff):' /proc/self/status");
    const text = await said(step, "insecure");
    assert.ok(text.startsWith(own.stdout), `${text} is not ${own.stdout}`);
    if (controllers().size > 0) assert.match(text, /varve-/);
  });

  check("a process that cannot be started says so, and the others go on", async (bench) => {
    await using step = await idle(bench);
    const missing = await step.join({ process: { ...PROCESS, args: ["no-such-thing"] } });
    await assert.rejects(missing.exited, /executable file not found/);
    const nowhere = await step.join({ process: { ...PROCESS, args: ["true"], cwd: "/no/such/place" } });
    await assert.rejects(nowhere.exited, hasCode("invalid-build"));
    await assert.rejects(step.join({ process: { ...PROCESS, args: ["true"], user: "nobody-here" } }), /no user/);
    assert.equal(await ending(await step.join(shell("true"))), 0);
  });

  check("the end of the first process ends the others, and nobody joins after it", async ({ runner, spec }) => {
    const typed = input();
    await using step = await runner.start(spec(["sh", "-c", "read line; exit 3"], { stdin: typed.bytes }));
    const heard = new Transcript();
    const joined = await step.join({ ...shell("trap '' TERM HUP; echo ready; sleep 600"), ...heard.streams });
    await heard.until(/ready/);
    typed.write("go\n");
    assert.deepEqual([await ending(step.first), await ending(joined)], [3, 137]);
    await assert.rejects(step.join(shell("true")), hasCode("not-found"));
  });

  check("disposing of a step ends everything in it", async (bench) => {
    const step = await idle(bench);
    const heard = new Transcript();
    const joined = await step.join({
      ...shell("trap '' TERM; (sleep 600 &) ; echo ready; sleep 600"),
      ...heard.streams,
    });
    await heard.until(/ready/);
    await step[Symbol.asyncDispose]();
    assert.deepEqual([await ending(step.first), await ending(joined)], [137, 137]);
  });

  check("signals reach a process as soon as it runs, and only it", async ({ runner, spec }) => {
    const traps = "trap 'echo hup; exit 7' HUP; trap 'echo usr' USR1; echo ready; while :; do sleep 0.05; done";
    const [one, two] = [new Transcript(), new Transcript()];
    await using step = await runner.start(spec(["sh", "-c", traps], one.streams));
    const joined = await step.join({ ...shell(traps), ...two.streams });
    await Promise.all([one.until(/ready/), two.until(/ready/)]);
    joined.signal("SIGUSR1");
    await two.until(/usr/);
    joined.signal("SIGHUP");
    assert.equal(await ending(joined), 7);
    assert.equal(one.text, "ready\n");
    step.first.signal("SIGHUP");
    assert.equal(await ending(step.first), 7);
  });

  check("a process that is stopped goes on, and SIGKILL ends it", async ({ runner, spec }) => {
    const heard = new Transcript();
    await using step = await runner.start(
      spec(["sh", "-c", "trap 'echo cont' CONT; echo ready; while :; do sleep 0.05; done"], heard.streams),
    );
    await heard.until(/ready/);
    step.first.signal("SIGSTOP");
    step.first.signal("SIGCONT");
    await heard.until(/cont/);
    step.first.signal("SIGKILL");
    const { exitCode, signal } = await step.first.exited;
    assert.deepEqual([exitCode, signal], [137, "SIGKILL"]);
  });

  check("a terminal has a name, a size and echo, for the first process and for another", async ({ runner, spec }) => {
    // A signal may end "read" without a line.
    const talk = 'while :; do read line && echo got $line; test "$line" = quit && exit 5; done';
    const script = `tty; test -t 2 && echo yes; trap 'stty size' WINCH; echo ready; ${talk}`;
    const use = async (start: (streams: ProcessStreams) => Promise<StepProcess>): Promise<string> => {
      const [heard, typed] = [new Transcript(), input()];
      const used = await start({ ...heard.streams, terminal: true, stdin: typed.bytes });
      await heard.until(/ready/);
      used.resize({ rows: 50, columns: 132 });
      await heard.until(/50 132/);
      typed.write("words\n");
      await heard.until(/got words/);
      typed.write("quit\n");
      assert.equal(await ending(used), 5);
      return heard.text;
    };
    const expected = /^\/dev\/pts\/\d\r\nyes\r\nready\r\n[^]*words\r\n[^]*got words\r\n/;
    await using held = new AsyncDisposableStack();
    assert.match(
      await use(async (streams) => held.use(await runner.start(spec(["sh", "-c", script], streams))).first),
      expected,
    );
    const other = held.use(await runner.start(spec(["sleep", "600"])));
    assert.match(await use(async (streams) => await other.join({ ...shell(script), ...streams })), expected);
  });

  check("a terminal that nobody reads holds the writer back, and not this process", async ({ runner, spec }) => {
    const typed = input();
    await using step = await runner.start(
      spec(["sh", "-c", "stty raw -echo; sleep 600"], { terminal: true, stdin: typed.bytes }),
    );
    typed.write("x".repeat(4_000_000));
    await new Promise((resolve) => setTimeout(resolve, 200));
    step.first.signal("SIGKILL");
    assert.equal((await step.first.exited).exitCode, 137);
  });
}
