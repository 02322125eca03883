/** A client of the Debug Adapter Protocol, which speaks to a program on its standard input and output. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";

interface Message {
  readonly type: "request" | "response" | "event";
  readonly seq: number;
  readonly command?: string;
  readonly event?: string;
  readonly request_seq?: number;
  readonly success?: boolean;
  readonly message?: string;
  readonly body?: unknown;
  readonly arguments?: unknown;
}

type Body = Readonly<Record<string, unknown>>;

const SEPARATOR = "\r\n\r\n";

/** The events and requests of the program wait until they are asked for. */
export class DapClient {
  readonly #child: ChildProcess;
  readonly #answers = new Map<number, (message: Message) => void>();
  readonly #waiting: Message[] = [];
  readonly #ended: Promise<never>;
  #heard = Promise.withResolvers<void>();
  #seq = 0;
  #bytes: Buffer = Buffer.alloc(0);
  #printed = "";

  constructor(child: ChildProcess) {
    this.#child = child;
    child.stdout?.on("data", (chunk: Buffer) => this.#receive(chunk));
    child.stderr?.on("data", (chunk: Buffer) => (this.#printed += chunk.toString()));
    this.#ended = once(child, "close").then(() => Promise.reject(new Error(`it ended:\n${this.#printed}`)));
    this.#ended.catch(() => undefined);
  }

  /** Sends a request, and returns the body of the response. */
  async request(command: string, args: object = {}): Promise<Body> {
    const { promise, resolve } = Promise.withResolvers<Message>();
    this.#answers.set(this.#send({ type: "request", command, arguments: args }), resolve);
    const { success, message, body } = await Promise.race([promise, this.#ended]);
    if (success !== true) throw new Error(`${command}: ${message}`);
    return bodyOf(body);
  }

  /** Returns the body of the next event of a name. */
  async event(name: string): Promise<Body> {
    return bodyOf((await this.#next((message) => message.event === name)).body);
  }

  /** Returns the arguments of the next request of the program, after it was answered with success. */
  async asked(command: string): Promise<Body> {
    const request = await this.#next((message) => message.type === "request" && message.command === command);
    this.#send({ type: "response", request_seq: request.seq, command, success: true, body: {} });
    return bodyOf(request.arguments);
  }

  #send(message: Omit<Message, "seq">): number {
    this.#seq += 1;
    const text = JSON.stringify({ seq: this.#seq, ...message });
    this.#child.stdin?.write(`Content-Length: ${Buffer.byteLength(text)}${SEPARATOR}${text}`);
    return this.#seq;
  }

  async #next(matches: (message: Message) => boolean): Promise<Message> {
    for (;;) {
      const index = this.#waiting.findIndex(matches);
      const [found] = index < 0 ? [] : this.#waiting.splice(index, 1);
      if (found !== undefined) return found;
      await Promise.race([this.#heard.promise, this.#ended]);
    }
  }

  #receive(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    for (let next = this.#take(); next !== undefined; next = this.#take()) {
      if (next.type === "response") this.#answers.get(next.request_seq ?? 0)?.(next);
      else this.#waiting.push(next);
    }
    this.#heard.resolve();
    this.#heard = Promise.withResolvers();
  }

  #take(): Message | undefined {
    const end = this.#bytes.indexOf(SEPARATOR);
    if (end < 0) return undefined;
    const length = Number(/Content-Length: (\d+)/.exec(this.#bytes.subarray(0, end).toString())?.[1]);
    const start = end + SEPARATOR.length;
    if (this.#bytes.length < start + length) return undefined;
    const message = JSON.parse(this.#bytes.subarray(start, start + length).toString()) as Message;
    this.#bytes = this.#bytes.subarray(start + length);
    return message;
  }
}

function bodyOf(body: unknown): Body {
  return (body ?? {}) as Body;
}
