import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDockerfile } from "../../dockerfile/index.ts";
import { BuildArgs } from "./step/build-args.ts";
import { type StageState, beginStage } from "./step/stage-state.ts";
import { planStep } from "./step/step.ts";

/** The state after the steps of a Dockerfile's only stage. */
async function stateAfter(lines: readonly string[]): Promise<StageState> {
  const file = parseDockerfile(`FROM scratch\n${lines.join("\n")}\n`);
  let state = beginStage(undefined, new BuildArgs(new Map()));
  for (const instruction of file.stages[0]?.instructions ?? []) {
    const host = { expansion: file, resolveSources: () => Promise.resolve([]) };
    state = (await planStep(instruction, state, host)).state;
  }
  return state;
}

const repeated = (count: number, line: string): string[] => Array.from({ length: count }, () => line);

test("the expansions of a Dockerfile have one budget", async () => {
  const double = ["ENV A=x", ...repeated(18, "ENV A=$A$A")];
  assert.equal((await stateAfter(double)).run.Env?.at(-1)?.length, 2 + 2 ** 18);
  for (const line of ["ENV B=$A", "LABEL l=$A", "ARG b=$A", "WORKDIR /$A", "USER $A", "VOLUME $A"]) {
    await stateAfter([...double, ...repeated(40, line)]);
    await assert.rejects(stateAfter([...double, ...repeated(80, line)]), { code: "limit-exceeded" }, line);
  }
});

test("variables are replaced where they stand; a stage has no more than a step can take", async () => {
  const { run } = await stateAfter(["ENV A=1 B=2 A=3", "ENV B=4 C=5"]);
  assert.deepEqual(run.Env?.slice(1), ["A=3", "B=4", "C=5"]);
  const row = (name: string): string => `ENV ${Array.from({ length: 2100 }, (_, at) => `${name}${at}=1`).join(" ")}`;
  await assert.rejects(stateAfter([row("a"), row("b")]), { code: "limit-exceeded" });
});

test("ports of one instruction are no more than there are", async () => {
  await assert.rejects(stateAfter([`EXPOSE ${"0-65535 ".repeat(7000)}`]), { code: "limit-exceeded" });
});
