/** A client that starts processes in containers of a build, as BuildKit's clients do. */
import { randomUUID } from "node:crypto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type ExecMessage,
  type ExecMessageSchema,
  type ExitMessage,
  LLBBridge,
  type NewContainerRequestSchema,
} from "../src/api/buildkit/proto/gen/gateway_pb.ts";
import type { SecurityMode } from "../src/api/buildkit/proto/gen/ops_pb.ts";
import { called } from "../src/api/buildkit/proto/methods.ts";
import { type BidiCall, type GrpcClient, invoke, invokeBidi } from "../src/grpc/index.ts";
import type { DrivenBuild } from "./buildkit-daemon.ts";

const { method } = LLBBridge;

type Sent = MessageInitShape<typeof ExecMessageSchema>;

interface Init {
  readonly args: readonly string[];
  readonly env?: readonly string[];
  readonly cwd?: string;
  readonly user?: string;
  readonly fds?: readonly number[];
  readonly tty?: boolean;
  readonly security?: SecurityMode;
  readonly secretenv?: readonly { readonly ID: string; readonly name: string; readonly optional?: boolean }[];
}

/** A process as its client sees it. */
export interface RemoteProcess {
  readonly id: string;
  /** The kinds of the messages so far, in their order: `file 1`, `eof 1`, `exit` and so on. Repeated ones count once. */
  readonly kinds: readonly string[];
  /** What it has written so far. */
  output(fd: number): string;
  /** Waits until the output matches. */
  until(fd: number, expected: RegExp): Promise<void>;
  readonly exit: Promise<ExitMessage>;
  readonly done: Promise<void>;
  write(text: string): Promise<void>;
  end(): Promise<void>;
  signal(name: string): Promise<void>;
  resize(rows: number, cols: number): Promise<void>;
}

class Remote implements RemoteProcess {
  readonly id: string = randomUUID();
  readonly kinds: string[] = [];
  readonly #output = new Map<number, string>();
  readonly #exit = Promise.withResolvers<ExitMessage>();
  readonly #done = Promise.withResolvers<void>();
  readonly #send: (message: Sent) => Promise<void>;
  #heard = Promise.withResolvers<void>();

  constructor(send: (message: Sent) => Promise<void>) {
    this.#send = send;
    for (const { promise } of [this.#exit, this.#done]) promise.catch(() => undefined);
  }

  get exit(): Promise<ExitMessage> {
    return this.#exit.promise;
  }

  get done(): Promise<void> {
    return this.#done.promise;
  }

  output(fd: number): string {
    return this.#output.get(fd) ?? "";
  }

  async until(fd: number, expected: RegExp): Promise<void> {
    while (!expected.test(this.output(fd))) await this.#heard.promise;
  }

  async write(text: string): Promise<void> {
    await this.#say({ case: "file", value: { fd: 0, data: Buffer.from(text) } });
  }

  async end(): Promise<void> {
    await this.#say({ case: "file", value: { fd: 0, eof: true } });
  }

  async signal(name: string): Promise<void> {
    await this.#say({ case: "signal", value: { name } });
  }

  async resize(rows: number, cols: number): Promise<void> {
    await this.#say({ case: "resize", value: { rows, cols } });
  }

  hear({ input }: ExecMessage): void {
    const file = input.case === "file" ? input.value : undefined;
    const kind = file === undefined ? String(input.case) : `${file.eof ? "eof" : "file"} ${file.fd}`;
    if (this.kinds.at(-1) !== kind) this.kinds.push(kind);
    if (file !== undefined) this.#output.set(file.fd, this.output(file.fd) + Buffer.from(file.data).toString());
    if (input.case === "exit") this.#exit.resolve(input.value);
    if (input.case === "done") this.#done.resolve();
    this.#heard.resolve();
    this.#heard = Promise.withResolvers();
  }

  fail(reason: unknown): void {
    for (const each of [this.#exit, this.#done, this.#heard]) each.reject(reason);
    this.#heard.promise.catch(() => undefined);
  }

  async #say(input: NonNullable<Sent["input"]>): Promise<void> {
    await this.#send({ processId: this.id, input });
  }
}

/** The call on which a client starts processes. */
export class ContainerClient implements Disposable {
  readonly #client: GrpcClient;
  readonly #build: DrivenBuild;
  readonly #call: BidiCall<Sent, ExecMessage>;
  readonly #processes = new Map<string, Remote>();
  /** Rejects with the error of the call. */
  readonly ended: Promise<void>;

  constructor(client: GrpcClient, build: DrivenBuild) {
    this.#client = client;
    this.#build = build;
    this.#call = invokeBidi(client, called(method.execProcess), build.call);
    this.ended = this.#hear();
    this.ended.catch(() => undefined);
  }

  /** Makes a container, and returns its name. */
  async container(request: MessageInitShape<typeof NewContainerRequestSchema>): Promise<string> {
    const containerId = randomUUID();
    await invoke(this.#client, called(method.newContainer), { containerId, ...request }, this.#build.call);
    return containerId;
  }

  async release(containerId: string): Promise<void> {
    await invoke(this.#client, called(method.releaseContainer), { containerId }, this.#build.call);
  }

  /** Asks for a process, by default without input and with two outputs. */
  async start(containerId: string, init: Init): Promise<RemoteProcess> {
    const { args, env = [], cwd = "", user = "", fds = [1, 2], secretenv = [], ...rest } = init;
    const process = new Remote((message) => this.send(message));
    this.#processes.set(process.id, process);
    const meta = { args: [...args], env: [...env], cwd, user };
    const value = { ...rest, containerId, meta, fds: [...fds], secretenv: secretenv.map((each) => ({ ...each })) };
    await this.send({ processId: process.id, input: { case: "init", value } });
    return process;
  }

  /** Runs a shell script without input, and returns its exit code and output. */
  async sh(containerId: string, script: string, init: Partial<Init> = {}): Promise<readonly [number, string]> {
    const started = await this.start(containerId, { ...init, args: ["sh", "-c", script] });
    const { code, error } = await started.exit;
    await started.done;
    return [code, started.output(1) + started.output(2) + (error?.message ?? "")];
  }

  async send(message: Sent): Promise<void> {
    await this.#call.send(message);
  }

  /** Says that there will be no more messages. */
  end(): void {
    this.#call.end();
  }

  /** Ends the call as a client that vanishes. */
  [Symbol.dispose](): void {
    this.#call.cancel();
  }

  async #hear(): Promise<void> {
    try {
      for await (const message of this.#call.responses) this.#processes.get(message.processId)?.hear(message);
    } catch (error) {
      for (const each of this.#processes.values()) each.fail(error);
      throw error;
    }
  }
}
