import type { MessageInitShape } from "@bufbuild/protobuf";
import { VarveError, toVarveError } from "../../../../core/index.ts";
import {
  type Container,
  type ContainerProcess,
  type ProcessEnd,
  type StartedProcess,
  failedProcess,
} from "../../../../engine/index.ts";
import { SECURITY_MODES } from "../../../../llb/index.ts";
import { statusError, statusMessage, statusOf } from "../../errors/status.ts";
import type { ExecMessageSchema, InitMessage } from "../../proto/gen/gateway_pb.ts";
import { nameOf } from "./new-container.ts";
import { ProcessInput } from "./process-input.ts";

type Answer = NonNullable<MessageInitShape<typeof ExecMessageSchema>["input"]>;

/** The code of a process that was not started: BuildKit's `UnknownExitStatus`. */
const UNKNOWN_EXIT = 255;

/**
 * A process that a client has asked for. The client is told, in this order: that it has started, its output, how it has ended, that each
 * output has ended, and, after the client has ended the input, that all is done.
 */
export class ClientProcess {
  readonly input: ProcessInput | undefined;
  /** Settles when the client was told everything, or cannot be told any more. Never rejects. */
  readonly done: Promise<void>;
  readonly #outputs: ReadonlySet<number>;
  readonly #send: (answer: Answer) => Promise<void>;
  readonly #started: Promise<StartedProcess>;
  readonly #eof = Promise.withResolvers<void>();
  /** Resolves when the client was told that the process has started. */
  readonly #announced = Promise.withResolvers<void>();
  #isKilled = false;
  #hasEof = false;

  constructor(container: Container, init: InitMessage, send: (answer: Answer) => Promise<void>) {
    const descriptors = new Set(init.fds);
    this.input = descriptors.has(0) ? new ProcessInput() : undefined;
    if (this.input === undefined) this.endInput();
    this.#outputs = new Set([1, 2].filter((descriptor) => descriptors.has(descriptor)));
    this.#send = send;
    this.#started = this.#start(container, init);
    this.done = this.#tell().catch(() => this.kill());
  }

  /** The client has ended the input. */
  get hasEof(): boolean {
    return this.#hasEof;
  }

  async write(data: Uint8Array): Promise<void> {
    if (this.input?.isEnded === false) await this.input.write(data);
  }

  endInput(): void {
    this.#hasEof = true;
    this.input?.end();
    this.#eof.resolve();
  }

  signal(signal: NodeJS.Signals): void {
    this.#control((process) => process.signal(signal));
  }

  resize(size: Parameters<StartedProcess["resize"]>[0]): void {
    this.#control((process) => process.resize(size));
  }

  /** Kills the process, and tells the client nothing any more. */
  kill(): void {
    if (this.#isKilled) return;
    this.#isKilled = true;
    this.#announced.resolve();
    this.endInput();
    this.signal("SIGKILL");
  }

  #control(use: (process: StartedProcess) => void): void {
    void this.#started.then(use);
  }

  async #start(container: Container, init: InitMessage): Promise<StartedProcess> {
    try {
      return await container.start(this.#processOf(init));
    } catch (error) {
      return failedProcess(toVarveError(error, "start a process"));
    }
  }

  async #tell(): Promise<void> {
    const started = await this.#started;
    await this.#say({ case: "started", value: {} });
    this.#announced.resolve();
    const end = await started.ended;
    this.input?.discard();
    await this.#say({ case: "exit", value: exitOf(end) });
    await started.drained.catch(() => undefined);
    for (const fd of this.#outputs) await this.#say({ case: "file", value: { fd, eof: true } });
    await this.#eof.promise;
    await this.#say({ case: "done", value: {} });
  }

  async #say(answer: Answer): Promise<void> {
    if (!this.#isKilled) await this.#send(answer);
  }

  #processOf({ meta, tty, security, secretenv }: InitMessage): ContainerProcess {
    const mode = nameOf(SECURITY_MODES, security);
    if (mode === undefined) throw new VarveError("invalid-build", "invalid security mode");
    if (meta === undefined) throw new VarveError("invalid-build", "the process has no command");
    const { args, env, cwd, user, removeMountStubsRecursive } = meta;
    return {
      process: { args, env, cwd, user },
      security: mode,
      secretEnv: secretenv.map(({ ID: id, name, optional }) => ({ id, name, optional })),
      keepStubParents: !removeMountStubsRecursive,
      terminal: tty,
      stdin: this.input,
      onOutput: async (fd, data) => {
        await this.#announced.promise;
        if (this.#outputs.has(fd)) await this.#say({ case: "file", value: { fd, data } });
      },
    };
  }
}

/** Returns how a process has ended, as a client gets it. A failure always has an error. */
function exitOf(end: ProcessEnd): { readonly code: number; readonly error?: ReturnType<typeof statusMessage> } {
  if (end.kind === "success") return { code: 0 };
  const { error } = end;
  const code = error.code === "step-failed" ? (error.details.exitCode ?? UNKNOWN_EXIT) : UNKNOWN_EXIT;
  return { code, error: statusMessage(statusOf(statusError(error))) };
}
