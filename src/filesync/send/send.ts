import { setImmediate as yieldToLoop } from "node:timers/promises";
import { VarveError, messageOf, toVarveError } from "../../core/index.ts";
import { Semaphore } from "../../io/index.ts";
import type { ByteString } from "../../linux/index.ts";
import { isRequestable } from "../mode.ts";
import { type MessageStream, PacketStream, type TransferOptions, TransferProgress } from "../stream.ts";
import { type Packet, decodePacket } from "../wire/packet.ts";
import type { Tree } from "./tree.ts";

/** What was sent. */
export interface Sent {
  readonly entries: number;
  /** Number of files whose content was sent. */
  readonly files: number;
}

/** Number of files that are sent at the same time. */
const CONCURRENCY = 4;
/** Milliseconds of work between two pauses that let other tasks run. */
const TURN = 10;
/** Longest piece of content in one packet. Clients take messages of up to 4 MiB. Bytes. */
const MAX_PIECE = 1_048_576;

const RECEIVER_ERROR = "error from receiver: ";

/**
 * Sends a tree: first all entries, then the content of the files that the receiver requests. Returns when the receiver has
 * everything and has closed the stream.
 *
 * @throws {VarveError} `remote` if the receiver has failed or the stream ends early; `corrupt` for a request that is not valid;
 * `cancelled`; and what the tree and the stream throw
 * @example
 * using tree = new DirectoryTree("out");
 * await sendTree(stream, tree, { signal });
 */
export async function sendTree(stream: MessageStream, tree: Tree, options: TransferOptions = {}): Promise<Sent> {
  using packets = new PacketStream(stream, options.signal);
  const sender = new Sender(packets, tree, options);
  try {
    return await sender.run();
  } catch (error) {
    packets.fail(error);
    await sender.settled();
    if (packets.isStreamError(error)) throw error;
    const failure = toVarveError(error, "send files", "internal");
    const isReported = failure.code === "cancelled" || failure.message.startsWith(RECEIVER_ERROR);
    if (!isReported) await packets.reportError(messageOf(failure));
    throw failure;
  }
}

class Sender {
  readonly #packets: PacketStream;
  readonly #tree: Tree;
  readonly #progress: TransferProgress;
  /** The paths of the files that may still be requested, by id. */
  readonly #files = new Map<number, ByteString>();
  readonly #slots = new Semaphore(CONCURRENCY);
  /** What is being sent: the listing, and files. None of them rejects. */
  readonly #sending = new Set<Promise<void>>();
  #entries = 0;
  #sent = 0;
  #isFinished = false;

  constructor(packets: PacketStream, tree: Tree, options: TransferOptions) {
    this.#packets = packets;
    this.#tree = tree;
    this.#progress = new TransferProgress(options);
  }

  async run(): Promise<Sent> {
    const packets = this.#packets;
    this.#start(() => this.#list());
    await packets.each((message) => this.#take(decodePacket(message)));
    if (!this.#isFinished) throw new VarveError("remote", "Cannot send files: the stream ended before the transfer");
    this.#progress.end();
    return { entries: this.#entries, files: this.#sent };
  }

  #take(packet: Packet): Promise<void> | undefined {
    if (packet.type === "error") throw new VarveError("remote", `${RECEIVER_ERROR}${packet.text}`);
    if (this.#isFinished) return undefined;
    if (packet.type === "finish") return this.#finish();
    if (packet.type !== "request")
      throw new VarveError("remote", `Cannot send files: the receiver sent a packet of type ${packet.type}`);
    this.#request(packet.id);
    return undefined;
  }

  async #finish(): Promise<void> {
    this.#isFinished = true;
    await this.settled();
    await this.#packets.send({ type: "finish" });
    await this.#packets.closeSend();
  }

  /** Waits until nothing is being sent any more. After a failure, that is soon. */
  async settled(): Promise<void> {
    while (this.#sending.size > 0) await Promise.all(this.#sending);
  }

  #start(work: () => Promise<void>): void {
    const running = work()
      .catch((error: unknown) => this.#packets.fail(error))
      .finally(() => this.#sending.delete(running));
    this.#sending.add(running);
  }

  async #list(): Promise<void> {
    let turn = performance.now();
    for await (const stat of this.#tree.entries()) {
      if (this.#packets.isFailed) return;
      if (isRequestable(stat.mode)) this.#files.set(this.#entries, stat.path);
      this.#entries += 1;
      await this.#send({ type: "stat", stat });
      if (performance.now() - turn < TURN) continue;
      await yieldToLoop();
      turn = performance.now();
    }
    await this.#send({ type: "listed" });
  }

  #request(id: number): void {
    const path = this.#files.get(id);
    if (path === undefined) throw new VarveError("corrupt", `invalid file id ${id}`);
    this.#files.delete(id);
    this.#sent += 1;
    this.#start(() => this.#slots.run(() => this.#sendFile(id, path)));
  }

  async #sendFile(id: number, path: ByteString): Promise<void> {
    if (this.#packets.isFailed) return;
    for await (const piece of this.#tree.open(path) ?? []) {
      for (let at = 0; at < piece.length; at += MAX_PIECE) {
        if (this.#packets.isFailed) return;
        await this.#send({ type: "data", id, data: piece.subarray(at, at + MAX_PIECE) });
      }
    }
    await this.#send({ type: "data", id, data: new Uint8Array(0) });
  }

  async #send(packet: Packet): Promise<void> {
    this.#progress.add(await this.#packets.send(packet));
  }
}
