import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import type { Socket } from "node:net";
import { VarveError, parseJson } from "../../core/index.ts";
import { childSocket } from "../child-socket.ts";
import { type ChildStreams, type InputKind, openStreams } from "../streams.ts";
import { killInRoot } from "./descendants.ts";
import { CONTROL, type StepOrder, type StepReport } from "./order.ts";
import { programEnvironment } from "./environment.ts";
import { stepProgram } from "./program.ts";

/** Milliseconds that a supervisor has to end the processes of its step. */
const KILL_DEADLINE = 30_000;
const MAX_REPORT = 65_536;

/**
 * A supervisor and what becomes the first process of a step. They end when this process does, even by SIGKILL. Disposal ends the step's
 * processes, and waits until they are gone.
 */
export interface Supervised extends AsyncDisposable {
  readonly streams: ChildStreams;
  readonly isAlive: boolean;
  /** Starts the step. */
  go(order: StepOrder): void;
  /** Sends a signal to the first process. */
  signal(name: NodeJS.Signals): void;
  /** Settles when the step has ended, and all its processes are gone. Undefined if it was killed. */
  end(): Promise<StepReport | undefined>;
  /** Ends the step. */
  kill(): void;
}

/** Starts a supervisor, which waits for an order. While it does, it does not keep this process alive. */
export function startSupervisor(input: InputKind = "empty"): Supervised {
  using resources = new DisposableStack();
  const streams = resources.use(openStreams(input));
  const { stdin, stdout, stderr } = streams.child;
  const source = stdin === "ignore" ? resources.adopt(openSync("/dev/null", "r"), closeSync) : stdin;
  const [program = "", ...args] = stepProgram();
  const child = spawn(program, [...args, "supervise"], {
    // A new session: Ctrl-C at the terminal signals this process only.
    detached: true,
    cwd: "/",
    env: programEnvironment(),
    stdio: ["ignore", "ignore", "inherit", "pipe", source, stdout, stderr],
  });
  streams.closeChild();
  const supervised = new SupervisedChild(child, streams);
  if (stdin === "ignore") closeSync(source);
  resources.move();
  return supervised;
}

class SupervisedChild implements Supervised {
  readonly streams: ChildStreams;
  readonly #child: ChildProcess;
  readonly #control: Socket;
  readonly #ended: Promise<void>;
  #alive = true;
  #killed = false;
  #text = "";
  #rootfs: string | undefined;

  constructor(child: ChildProcess, streams: ChildStreams) {
    this.#child = child;
    this.streams = streams;
    this.#ended = this.#watch();
    this.#ended.catch(() => undefined);
    this.#control = childSocket(child, CONTROL);
    this.#control.on("error", () => undefined).unref();
    this.#control.on("data", (chunk: Buffer) => {
      this.#text = (this.#text + chunk.toString()).slice(0, MAX_REPORT);
    });
    child.unref();
  }

  get isAlive(): boolean {
    return this.#alive;
  }

  async #watch(): Promise<void> {
    const closed = Promise.withResolvers<void>();
    this.#child.once("close", () => closed.resolve());
    this.#child.once("error", closed.reject);
    try {
      await closed.promise;
    } catch (error) {
      throw new VarveError("unsupported", "Cannot run steps: the supervisor did not start", { cause: error });
    } finally {
      this.#alive = false;
    }
  }

  go(order: StepOrder): void {
    this.#rootfs = order.rootfs;
    this.#child.ref();
    this.#control.ref();
    this.#control.write(`${JSON.stringify(order)}\n`);
  }

  signal(name: NodeJS.Signals): void {
    if (name === "SIGKILL") this.kill();
    else if (this.#alive) this.#control.write(`${name}\n`);
  }

  async end(): Promise<StepReport | undefined> {
    await this.#ended;
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the supervisor has written it
    if (this.#text !== "") return parseJson(this.#text, "the report of a step").raw as StepReport;
    // Otherwise the supervisor has ended the processes of the step.
    if (this.#child.exitCode !== 0 && this.#rootfs !== undefined) await killInRoot(this.#rootfs);
    if (this.#killed) return undefined;
    throw new VarveError("step-failed", "Cannot finish the step: it has killed the process that supervises it", {
      details: { exitCode: 137 },
    });
  }

  kill(): void {
    this.#killed = true;
    this.#control.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.ref();
    try {
      if (this.#alive) await this.#killAndWait();
    } finally {
      this.streams[Symbol.dispose]();
      this.#control.destroy();
    }
  }

  /** A supervisor that a step has stopped does not answer. */
  async #killAndWait(): Promise<void> {
    this.kill();
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), KILL_DEADLINE);
    try {
      await this.end();
    } finally {
      clearTimeout(timer);
    }
  }
}
