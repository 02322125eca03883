import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test } from "node:test";
import { isVarveError } from "../../src/core/index.ts";
import { ownIdMaps } from "../../src/linux/index.ts";
import { NOTHING_LEFT, findLeftovers } from "../leftovers.ts";
import { type Check, type RunnerSetup, hasCode, openBench } from "./runner-bench.ts";
import { deviceSteps } from "./runner-devices.ts";
import { endingSteps } from "./runner-endings.ts";
import { mountingSteps } from "./runner-mounts.ts";
import { sharedSteps } from "./runner-processes.ts";
import { sandboxedSteps } from "./runner-sandbox.ts";

export type { RunnerSetup } from "./runner-bench.ts";

/** Every implementation of `Runner` runs this. Each check also finds that nothing is left behind. */
export function runnerContract(name: string, setup: RunnerSetup): void {
  const impossible = new Map(setup.impossible);
  const check: Check = (what, body) => {
    const skip = setup.unavailable ?? impossible.get(what) ?? false;
    impossible.delete(what);
    test(`${name}: ${what}`, { skip, timeout: 60_000 }, async (t) => {
      await using bench = await openBench(setup);
      await body(bench, t);
      const { mark, stateDir, rootfs } = bench;
      const left = findLeftovers({ marks: [mark, stateDir, rootfs], stateDir, pid: process.pid });
      assert.deepEqual(left, NOTHING_LEFT);
    });
  };
  runningSteps(check);
  startingSteps(check);
  sandboxedSteps(check);
  mountingSteps(check);
  deviceSteps(check);
  endingSteps(check);
  sharedSteps(check);
  assert.deepEqual([...impossible.keys()], [], "there are such checks");
}

function runningSteps(check: Check): void {
  check("output comes by stream, and the status is the result", async ({ sh }) => {
    const outcome = await sh("echo out; echo err >&2; exit 3");
    assert.deepEqual(
      [outcome.stdout, outcome.stderr, outcome.exitCode, outcome.signal, outcome.oomKilled],
      ["out\n", "err\n", 3, undefined, false],
    );
    assert.equal((await sh("exit 255")).exitCode, 255);
  });

  check("a signal shows as 128 + n and by name", async ({ sh }) => {
    const outcome = await sh("sh -c 'kill -TERM $$'; exit $?");
    assert.deepEqual([outcome.exitCode, outcome.signal], [143, "SIGTERM"]);
    assert.equal((await sh("exit 128")).signal, undefined);
  });

  check("output arrives while the step runs", async ({ runner, spec }) => {
    const { promise, resolve } = Promise.withResolvers<string>();
    const stop = new AbortController();
    const run = runner.run(
      spec(["sh", "-c", "echo early; sleep 60"], { onOutput: (_, chunk) => resolve(Buffer.from(chunk).toString()) }),
      { signal: stop.signal },
    );
    assert.equal(await promise, "early\n");
    stop.abort();
    await assert.rejects(run, hasCode("cancelled"));
  });

  check("standard input is what the step is given, or empty", async ({ runner, spec }) => {
    const read = async (stdin?: AsyncIterable<Uint8Array>): Promise<string> => {
      let text = "";
      const onOutput = (_: 1 | 2, chunk: Uint8Array): void => void (text += Buffer.from(chunk).toString());
      const ended = await runner.run(spec(["sh", "-c", "cat; echo end"], { stdin, onOutput }));
      assert.equal(ended.exitCode, 0);
      return text;
    };
    assert.equal(await read(), "end\n");
    const large = Buffer.alloc(300_000, "x").toString();
    assert.equal(await read(Readable.from([Buffer.from("one\n"), Buffer.from(large)])), `one\n${large}end\n`);
  });

  check("a step may end before its input does", async ({ runner, spec }) => {
    let isLeft = false;
    async function* forever(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) yield await Promise.resolve(Buffer.alloc(65_536, "y"));
      } finally {
        isLeft = true;
      }
    }
    const ended = await runner.run(spec(["sh", "-c", "head -c 4; exit 3"], { stdin: forever() }));
    assert.deepEqual([ended.exitCode, isLeft], [3, true]);
  });

  check("a slow listener slows the step down, and gets every byte in order", async ({ runner, spec }) => {
    let total = 0;
    let busy = false;
    const result = await runner.run(
      spec(["sh", "-c", "dd if=/dev/zero bs=65536 count=64 2>/dev/null"], {
        onOutput: async (_, chunk) => {
          assert.ok(!busy, "called again before it was done");
          busy = true;
          await new Promise(setImmediate);
          total += chunk.byteLength;
          busy = false;
        },
      }),
    );
    assert.deepEqual([result.exitCode, total], [0, 64 * 65_536]);
  });

  check("a listener that fails ends the step", async ({ runner, spec }) => {
    const run = runner.run(
      spec(["sh", "-c", "echo x; sleep 60"], { onOutput: () => Promise.reject(new Error("no room for this")) }),
    );
    await assert.rejects(run, /no room for this/);
  });

  check("standard input is empty; standard output can be opened by path, by any user", async ({ sh }) => {
    const outcome = await sh("cat; echo out > /dev/stdout; echo err > /dev/stderr", { user: "alice" });
    assert.deepEqual([outcome.stdout, outcome.stderr, outcome.exitCode], ["out\n", "err\n", 0]);
  });

  check("users and groups come from the image's files", async ({ sh }) => {
    const id = async (user: string): Promise<string> =>
      (await sh("echo $(id -u) $(id -g) $(id -G) $HOME", { user })).stdout.trim();
    assert.equal(await id(""), "0 0 0 /root");
    assert.equal(await id("alice"), "1000 1000 1000 2000 /home/alice");
    assert.equal(await id("alice:builders"), "1000 2000 2000 /home/alice");
    assert.equal(await id("1000"), "1000 1000 1000 2000 /home/alice");
    const high = ownIdMaps() === undefined ? 2_147_483_647 : 65_534;
    assert.equal(await id(`${high}:12`), `${high} 12 12 /`);
    assert.equal((await sh("echo $HOME", { user: "alice", env: ["HOME=/elsewhere"] })).stdout, "/elsewhere\n");
  });

  check("the working directory is made where missing, for the user of the step", async ({ sh }) => {
    assert.equal(
      (await sh("pwd; stat -c %u:%g:%a . ..", { cwd: "work/deep", user: "alice" })).stdout,
      "/work/deep\n1000:1000:755\n1000:1000:755\n",
    );
    assert.equal((await sh("pwd", { cwd: "" })).stdout, "/\n");
  });

  check("several steps run at once", async ({ sh }) => {
    const outcomes = await Promise.all([1, 2, 3, 4].map((n) => sh(`echo ${n}; exit ${n}`)));
    assert.deepEqual(
      outcomes.map(({ stdout, exitCode }) => [stdout, exitCode]),
      [1, 2, 3, 4].map((n) => [`${n}\n`, n]),
    );
  });
}

function startingSteps(check: Check): void {
  check("a command that is missing or cannot be run says so", async ({ sh }) => {
    const start = async (...args: string[]): Promise<unknown> => {
      const error: unknown = await sh("", { args }).catch((thrown: unknown) => thrown);
      assert.ok(isVarveError(error, "step-failed"), String(error));
      return [error.details.exitCode, error.message];
    };
    const missing = "executable file not found in the step's PATH";
    assert.deepEqual(await start("no-such-thing"), [127, `Cannot start "no-such-thing": ${missing}`]);
    assert.deepEqual(await start("/bin/nope"), [127, `Cannot start "/bin/nope": ${missing}`]);
    assert.deepEqual(await start("/etc/passwd"), [126, 'Cannot start "/etc/passwd": not an executable file']);
    assert.deepEqual(await start("/etc"), [126, 'Cannot start "/etc": not an executable file']);
  });

  check("an unknown user or group, a working directory that is a file, and nonsense are refused", async ({ sh }) => {
    await assert.rejects(sh("true", { user: "nobody-here" }), /no user "nobody-here"/);
    await assert.rejects(sh("true", { user: "root:nobody-here" }), /no group "nobody-here"/);
    await assert.rejects(sh("true", { user: "4294967295" }), hasCode("invalid-build"));
    await assert.rejects(sh("true", { cwd: "/etc/passwd" }), hasCode("invalid-build"));
    await assert.rejects(sh("", { args: [] }), hasCode("invalid-build"));
    await assert.rejects(sh("true", { env: ["A=\0"] }), hasCode("invalid-build"));
    await assert.rejects(sh("true", { hostname: "a b" }), hasCode("invalid-argument"));
    await assert.rejects(sh("true", { extraHosts: [{ host: "x\ny", ip: "1.2.3.4" }] }), hasCode("invalid-argument"));
    await assert.rejects(sh("true", { rootfs: "/nowhere/at/all" }), hasCode("not-found"));
  });
}
