import { type ChildProcess, spawn } from "node:child_process";
import { closeSync } from "node:fs";
import { Socket } from "node:net";
import { constants } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { becomeSubreaper, reapAdopted } from "../../linux/index.ts";
import { descendantsOf, kill, killAll } from "./descendants.ts";
import { CONTROL, ORDERS, STEP_STREAMS, type StepReport } from "./order.ts";
import { programEnvironment } from "./environment.ts";
import { stepProgram } from "./program.ts";

/** Milliseconds between two looks for processes that are ending. */
const INTERVAL = 2;

/**
 * Starts what becomes the first process of a step, and passes the order and signals on to it. All processes of the step are descendants of
 * this one, even if their parents end. When the first process has ended, or whoever has started this one, the others are killed. Then it
 * reports, and ends.
 */
export function supervise(): void {
  becomeSubreaper();
  const control = new Socket({ fd: CONTROL, readable: true, writable: true });
  control.on("error", () => undefined);
  const first = startFirst();
  for (const descriptor of STEP_STREAMS) closeSync(descriptor);
  let isReported = false;
  const finish = async (report: StepReport | undefined): Promise<void> => {
    if (isReported) return;
    isReported = true;
    await endAll(first);
    if (report !== undefined) control.write(`${JSON.stringify(report)}\n`);
    control.end(() => process.exit(0));
  };
  const failure = failureOf(first);
  first.once("error", (error) => void finish({ kind: "failed", stage: "refused", message: error.message }));
  first.once("close", (code, signal) => {
    // Either is null.
    const ended = { kind: "ended", code, signal } as const;
    void failure.then((failed) => finish(failed ?? ended));
  });
  process.on("SIGCHLD", () => reapAdopted((pid) => pid === first.pid));
  obey(control, first);
  control.once("close", () => void finish(undefined));
  control.once("end", () => void finish(undefined));
}

function startFirst(): ChildProcess {
  const [program = "", ...args] = stepProgram();
  return spawn(program, [...args, "become", String(process.pid)], {
    stdio: [...STEP_STREAMS, "pipe"],
    // A session of its own.
    detached: true,
    env: programEnvironment(),
  });
}

/** The first line is the order; those that follow are names of signals. */
function obey(control: Socket, first: ChildProcess): void {
  let text = "";
  let isOrdered = false;
  control.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
      const line = text.slice(0, end);
      text = text.slice(end + 1);
      if (isOrdered) signalFirst(first, line);
      else orders(first)?.write(`${line}\n`);
      isOrdered = true;
    }
  });
}

function signalFirst({ pid, exitCode, signalCode }: ChildProcess, name: string): void {
  if (pid !== undefined && exitCode === null && signalCode === null && isSignal(name)) kill(pid, name);
}

function isSignal(name: string): name is NodeJS.Signals {
  return Object.hasOwn(constants.signals, name);
}

function orders(first: ChildProcess): Socket | undefined {
  const socket = first.stdio[ORDERS];
  return socket instanceof Socket ? socket : undefined;
}

/** Resolves to why the first process has not become the step; undefined if it has. */
async function failureOf(first: ChildProcess): Promise<StepReport | undefined> {
  let text = "";
  const socket = orders(first);
  if (socket === undefined) return undefined;
  try {
    for await (const chunk of socket.iterator({ destroyOnReturn: false })) text += String(chunk);
  } catch {
    // The process was killed.
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- `become.ts` has written it
  return text === "" ? undefined : (JSON.parse(text) as StepReport);
}

/** Kills all processes of the step, and waits until none is left. Node waits for the first one. */
async function endAll(first: ChildProcess): Promise<void> {
  const isFirst = (pid: number): boolean => pid === first.pid && first.exitCode === null && first.signalCode === null;
  for (;;) {
    reapAdopted(isFirst);
    const left = descendantsOf(process.pid);
    if (left.length === 0) return;
    killAll(left);
    await sleep(INTERVAL);
  }
}
