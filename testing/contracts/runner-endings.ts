import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { VarveError } from "../../src/core/index.ts";
import {
  descendantsOf,
  findLeftovers,
  NOTHING_LEFT,
  processesOf,
  waitForNothing,
  waitUntilGone,
} from "../leftovers.ts";
import { type Bench, type Check, hasCode } from "./runner-bench.ts";

const RUN_STEP = fileURLToPath(new URL("../run-step.ts", import.meta.url));

export function endingSteps(check: Check): void {
  check("an abort ends the step at once, with its reason", async (bench) => {
    const { sh } = bench;
    await assert.rejects(sh("true", { signal: AbortSignal.abort() }), hasCode("cancelled"));
    const started = performance.now();
    await assert.rejects(abortAtOutput(bench, "trap '' TERM INT; echo go; sleep 60"), hasCode("cancelled"));
    assert.ok(performance.now() - started < 20_000);
    const reason = new VarveError("busy", "Cannot go on: enough");
    await assert.rejects(abortAtOutput(bench, "echo go; sleep 60", reason), (error) => error === reason);
  });

  check("a step that is killed has its own output only", async ({ runner, spec }) => {
    const stop = new AbortController();
    const written: string[] = [];
    const onOutput = (_stream: 1 | 2, chunk: Uint8Array): void => {
      written.push(Buffer.from(chunk).toString());
      stop.abort();
    };
    const run = runner.run(spec(["sh", "-c", "echo go >&2; sleep 60"], { onOutput }), { signal: stop.signal });
    await assert.rejects(run, hasCode("cancelled"));
    await sleep(100);
    assert.deepEqual(written, ["go\n"]);
  });

  check("an abort at any moment of the start leaves nothing", async ({ sh, mark, rootfs, stateDir }) => {
    for (const delay of [0, 1, 3, 6, 10, 15, 25]) {
      const signal = AbortSignal.timeout(delay);
      await assert.rejects(sh("sleep 60", { signal }), hasCode("cancelled"));
      const left = findLeftovers({ marks: [mark, rootfs], stateDir, pid: process.pid });
      assert.deepEqual(left, NOTHING_LEFT, `after ${delay} ms`);
    }
  });

  check("an abort ends a fork bomb", async (bench) => {
    const bomb = "echo go; b() { sleep 60 & b | b & }; b; wait; sleep 60";
    await assert.rejects(abortAtOutput(bench, bomb, undefined, { pids: 200 }), hasCode("cancelled"));
  });

  check("children that were left running end with the step", async ({ sh, mark }) => {
    const started = performance.now();
    const { stdout, exitCode } = await sh(
      "setsid sleep 60 </dev/null >/dev/null 2>&1 & (trap '' TERM HUP; sleep 60) & echo over",
    );
    assert.deepEqual([stdout, exitCode], ["over\n", 0]);
    assert.ok(performance.now() - started < 20_000);
    assert.deepEqual(processesOf(mark), []);
  });

  check("a listener that never answers does not hold up an abort", async ({ runner, spec }) => {
    const stop = new AbortController();
    const run = runner.run(
      spec(["sh", "-c", "echo x; sleep 60"], {
        onOutput: () => {
          stop.abort();
          return new Promise(() => undefined);
        },
      }),
      { signal: stop.signal },
    );
    await assert.rejects(run, hasCode("cancelled"));
  });

  check("a killed Varve leaves no process and no mount, and the next runner sweeps its files", async (bench) => {
    const { rootfs, stateDir, mark, runtime } = bench;
    const script = "echo go; setsid sleep 60 & sleep 60";
    const child = spawn(process.execPath, [RUN_STEP, runtime, stateDir, rootfs, script, mark], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [said] = (await Promise.race([once(child.stdout, "data"), once(child, "exit")])) as [unknown];
    assert.equal(String(said), "go\n");
    const pid = child.pid ?? 0;
    const query = { marks: [mark, rootfs, stateDir], stateDir, pid };
    assert.ok(processesOf(mark).length >= 1);
    const family = descendantsOf(pid);
    // The step, its launcher, and the launcher that waits for the next step.
    assert.ok(family.length > processesOf(mark).length);
    child.kill("SIGKILL");
    await once(child, "exit");
    await waitUntilGone(family);
    const left = await waitForNothing(query);
    assert.deepEqual([left.processes, left.mounts], [[], []]);
    assert.ok(left.files.length > 0);
    await using _next = await bench.another();
    assert.deepEqual(findLeftovers(query), NOTHING_LEFT);
  });

  check("the parts of runners that live are not swept", async (bench) => {
    const stop = new AbortController();
    const { promise, resolve } = Promise.withResolvers<void>();
    const run = bench.runner.run(bench.spec(["sh", "-c", "echo go; sleep 60"], { onOutput: () => resolve() }), {
      signal: stop.signal,
    });
    await promise;
    await using _next = await bench.another();
    const parts = readdirSync(bench.stateDir).filter((name) => existsSync(join(bench.stateDir, name, "1")));
    assert.equal(parts.length, 1);
    stop.abort();
    await assert.rejects(run, hasCode("cancelled"));
  });
}

async function abortAtOutput(
  { runner, spec }: Bench,
  script: string,
  reason?: unknown,
  limits: { readonly pids?: number } = {},
): Promise<unknown> {
  const stop = new AbortController();
  const onOutput = async (): Promise<void> => {
    await sleep(50);
    stop.abort(reason);
  };
  return await runner.run(spec(["sh", "-c", script], { onOutput, limits }), { signal: stop.signal });
}
