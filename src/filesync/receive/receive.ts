import { setImmediate as yieldToLoop } from "node:timers/promises";
import { VarveError, firstFailure, goQuote, messageOf, toVarveError } from "../../core/index.ts";
import type { Path } from "../../linux/index.ts";
import { PatternMatcher } from "../../pattern/index.ts";
import type { Differ, Ownership } from "../metadata.ts";
import { kindOf } from "../mode.ts";
import { ListingOrder, checkPath, shown } from "../order.ts";
import { type MessageStream, PacketStream, type TransferOptions, TransferProgress } from "../stream.ts";
import { type Packet, decodePacket } from "../wire/packet.ts";
import type { EncodedStat, Stat } from "../wire/stat.ts";
import { ReceiveCounts, type ReceiveLimits, receiveLimits } from "./limits.ts";
import { METADATA_FILE, MetadataFile } from "./metadata-file.ts";
import { LinkTargets } from "./link-targets.ts";
import { Listing } from "./listing.ts";
import { Requests } from "./requests.ts";
import { type Added, type Directory, type OnEntry, TreeWriter, isHardLink } from "./tree-writer.ts";

export interface ReceiveOptions extends TransferOptions {
  /** Files on disk that need not be requested. The default is `metadata`. */
  readonly differ?: Differ | undefined;
  /** Called with each entry that is received, in the order of the listing. */
  readonly onEntry?: OnEntry | undefined;
  /** Keep what the sender does not list. The default is false. */
  readonly keep?: boolean | undefined;
  /** The default is `sender`. */
  readonly ownership?: Ownership | undefined;
  /**
   * Receive only entries that match one of these patterns, and list all entries in the file `.fsutil-metadata`. By default, all
   * entries are received, and there is no such file.
   */
  readonly metadataOnlyExcept?: readonly string[] | undefined;
  /**
   * The listing that the directory was made equal to, if nothing has changed it since. If the sender has the same listing, the directory is
   * not looked at.
   */
  readonly unchangedSince?: Listing | undefined;
  /** The default is `receiveLimits`. */
  readonly limits?: Partial<ReceiveLimits> | undefined;
}

/** What was received. */
export interface Received {
  /** Number of entries that the sender has. */
  readonly entries: number;
  /** Number of files whose content was transferred. */
  readonly files: number;
  /** Bytes of their content. */
  readonly bytes: number;
  /** What the sender has listed. Undefined if it is too long to be kept. */
  readonly listing: Listing | undefined;
  /** True if the listing is that of `unchangedSince`: `onEntry` was not called. */
  readonly isUnchanged: boolean;
}

/** Milliseconds of work between two pauses that let other tasks run. */
const TURN = 10;

/**
 * Makes a directory equal to the tree of a sender. Requests only the content of files that differ. Whatever the sender sends,
 * changes nothing outside the directory. After an error, entries may be missing, but each file that has the time of the
 * sender's file also has its content.
 *
 * @throws {VarveError} `corrupt` for a listing that is not valid; `remote` if the sender has failed or the stream ends early;
 * `limit-exceeded`; `storage`; `cancelled`; and what the stream throws
 * @example
 * const { files } = await receiveTree(stream, "/var/lib/varve/context", { signal });
 */
export async function receiveTree(
  stream: MessageStream,
  directory: Path,
  options: ReceiveOptions = {},
): Promise<Received> {
  using packets = new PacketStream(stream, options.signal);
  try {
    using writer = new TreeWriter(directory, {
      differ: options.differ ?? "metadata",
      keep: options.keep ?? false,
      ownership: options.ownership ?? "sender",
      signal: options.signal,
      onEntry: options.onEntry,
    });
    await using requests = new Requests(packets, writer);
    return await new Receiver({ packets, writer, requests }, options).run();
  } catch (error) {
    // Requests that wait to be sent are not sent any more.
    packets.fail(error);
    if (packets.isStreamError(firstFailure(error))) throw firstFailure(error);
    const failure = toVarveError(error, "receive files", "internal");
    if (!isReported(failure)) await packets.reportError(messageOf(failure));
    throw failure;
  }
}

const SENDER_ERROR = "error from sender: ";

/** Returns whether the other side knows about an error, or cannot be told. */
function isReported({ code, message }: VarveError): boolean {
  return code === "cancelled" || message.startsWith(SENDER_ERROR);
}

interface ReceiverParts {
  readonly packets: PacketStream;
  readonly writer: TreeWriter;
  readonly requests: Requests;
}

/** An entry that can contain others. Its directory is created when something in it is received. */
interface Place {
  readonly parent: Place | undefined;
  readonly id: number;
  readonly stat: Stat | undefined;
  directory: Directory | undefined;
}

class Receiver {
  readonly #parts: ReceiverParts;
  readonly #progress: TransferProgress;
  readonly #counts: ReceiveCounts;
  readonly #order: ListingOrder<Place>;
  readonly #linkTargets = new LinkTargets();
  readonly #metadata: MetadataFile | undefined;
  readonly #matcher: PatternMatcher | undefined;
  /** The listing so far is the beginning of this one. Undefined if it is not. */
  #same: Listing | undefined;
  /** The listing so far, unless it is the beginning of another one. */
  readonly #listing = new Listing();
  /** Number of packets of the listing so far, while it is the beginning of another one. */
  #matched = 0;
  /** Directories that get no more entries, and have some that the sender has not listed. */
  #ended: Directory[] = [];
  #turn = 0;
  #state: "listing" | "listed" | "finished" | "confirmed" = "listing";

  constructor(parts: ReceiverParts, options: ReceiveOptions) {
    const { writer } = parts;
    this.#parts = parts;
    this.#progress = new TransferProgress(options);
    this.#counts = new ReceiveCounts({ ...receiveLimits, ...options.limits });
    const root: Place = { parent: undefined, id: 0, stat: undefined, directory: writer.root };
    this.#order = new ListingOrder(root, ({ directory }) => {
      if (directory !== undefined && directory.unlisted.size > 0) this.#ended.push(directory);
    });
    const except = options.metadataOnlyExcept;
    this.#matcher = except === undefined ? undefined : new PatternMatcher(except);
    this.#metadata = except === undefined ? undefined : new MetadataFile();
    this.#same = options.unchangedSince;
  }

  async run(): Promise<Received> {
    const { packets, requests } = this.#parts;
    this.#turn = performance.now();
    await packets.each((message) => {
      this.#progress.add(message.length);
      const taken = this.#same === undefined ? this.#takeNew(message) : this.#takeSame(message, this.#same);
      return taken === undefined && !this.#mustPause() ? undefined : this.#after(taken);
    });
    if (this.#state !== "confirmed") throw protocolError("the stream ended before the transfer");
    await packets.closeSend();
    this.#progress.end();
    const listing = this.#same ?? this.#listing;
    return {
      entries: this.#same === undefined ? this.#counts.entries : listing.length - 1,
      files: requests.count,
      bytes: this.#counts.content,
      listing: listing.isTooLong ? undefined : listing,
      isUnchanged: this.#same !== undefined,
    };
  }

  /** Takes a packet when the listing so far is the beginning of another one. */
  #takeSame(message: Uint8Array, same: Listing): Promise<void> | undefined {
    if (this.#state !== "listing") return this.#take(decodePacket(message));
    if (!same.isAt(this.#matched, message)) return this.#diverge(message, same);
    this.#matched += 1;
    if (this.#matched === same.length) this.#state = "listed";
    return undefined;
  }

  /** Takes what was passed over, and then a packet that the other listing does not have. */
  async #diverge(message: Uint8Array, same: Listing): Promise<void> {
    this.#same = undefined;
    for (let index = 0; index < this.#matched; index += 1) {
      const taken = this.#takeNew(same.at(index));
      if (taken !== undefined || this.#mustPause()) await this.#after(taken);
    }
    await this.#takeNew(message);
  }

  #takeNew(message: Uint8Array): Promise<void> | undefined {
    const packet = decodePacket(message);
    if (packet.type === "stat" || packet.type === "listed") this.#listing.add(message);
    return this.#take(packet);
  }

  #mustPause(): boolean {
    const { requests } = this.#parts;
    return (this.#state === "listed" && requests.isEmpty) || performance.now() - this.#turn >= TURN;
  }

  /** Waits for a packet to be taken, answers the last one, and lets other tasks run. */
  async #after(taken: Promise<void> | undefined): Promise<void> {
    await taken;
    if (this.#state === "listed" && this.#parts.requests.isEmpty) await this.#finish();
    if (performance.now() - this.#turn < TURN) return;
    await yieldToLoop();
    this.#turn = performance.now();
  }

  #take(packet: Packet): Promise<void> | undefined {
    switch (packet.type) {
      case "stat":
        if (this.#state !== "listing") throw protocolError("an entry came after the end of the listing");
        return this.#takeEntry(packet.stat, packet.received);
      case "listed":
        if (this.#state !== "listing") throw protocolError("the listing ended twice");
        this.#order.end();
        this.#state = "listed";
        return this.#endDirectories();
      case "data":
        this.#counts.addContent(packet.data.length);
        return this.#parts.requests.receive(packet.id, packet.data);
      case "finish":
        if (this.#state !== "finished") throw protocolError("the sender confirmed an end that there was not");
        this.#state = "confirmed";
        return undefined;
      case "error":
        throw new VarveError("remote", `${SENDER_ERROR}${packet.text}`);
      case "request":
        throw protocolError("the sender requested a file");
    }
  }

  #takeEntry(stat: Stat, received: EncodedStat | undefined): Promise<void> | undefined {
    // Each entry has an id, whether or not its content can be requested.
    const id = this.#counts.entries;
    this.#counts.addEntry(stat);
    checkPath(stat.path);
    const isOwnFile = this.#metadata !== undefined && stat.path === METADATA_FILE;
    const parent = this.#order.next(stat.path);
    this.#checkLink(stat);
    if (isOwnFile) return undefined;
    this.#metadata?.add(stat, received?.content);
    const isReceived = this.#matcher?.matches(Buffer.from(stat.path, "latin1").toString()) ?? true;
    const place = kindOf(stat.mode) === "directory" ? { parent, id, stat, directory: undefined } : undefined;
    if (place !== undefined) this.#order.enter(stat.path, place);
    if (!isReceived) return this.#endDirectories();
    const { directory } = parent;
    if (place === undefined && directory !== undefined && this.#ended.length === 0)
      return this.#added(this.#parts.writer.add(id, stat, directory));
    return place === undefined ? this.#addTo(parent, id, stat) : this.#addDirectory(place);
  }

  async #addTo(parent: Place, id: number, stat: Stat): Promise<void> {
    await this.#endDirectories();
    const directory = await this.#open(parent);
    await this.#added(this.#parts.writer.add(id, stat, directory));
  }

  async #addDirectory(place: Place): Promise<void> {
    await this.#endDirectories();
    await this.#open(place);
  }

  /** Removes what the sender has not listed. */
  async #endDirectories(): Promise<void> {
    for (const directory of this.#ended) await this.#parts.writer.end(directory);
    this.#ended = [];
  }

  /** Returns the directory of a place, after creating it and those above it if necessary. */
  async #open(place: Place): Promise<Directory> {
    const { parent, stat, id } = place;
    if (place.directory !== undefined) return place.directory;
    if (parent === undefined || stat === undefined) return this.#parts.writer.root;
    const above = await this.#open(parent);
    const added = await this.#parts.writer.add(id, stat, above);
    place.directory = added.kind === "directory" ? added.directory : above;
    return place.directory;
  }

  #added(added: Added | Promise<Added>): Promise<void> | undefined {
    if (added instanceof Promise) return added.then((each) => this.#added(each));
    if (added.kind === "wanted") this.#parts.requests.add(added.file);
    return undefined;
  }

  #checkLink(stat: Stat): void {
    const { path, linkname } = stat;
    if (!isHardLink(stat)) {
      const kind = kindOf(stat.mode);
      if (kind !== "directory" && kind !== "symlink") this.#linkTargets.add(path);
    } else if (!this.#linkTargets.has(linkname))
      throw new VarveError("corrupt", `invalid link ${shown(path)} to unknown path: ${goQuote(shown(linkname))}`);
  }

  async #finish(): Promise<void> {
    const { packets, writer } = this.#parts;
    await writer.finish();
    if (this.#metadata !== undefined) await writer.writeFile(METADATA_FILE, this.#metadata.pieces);
    this.#state = "finished";
    await packets.send({ type: "finish" });
  }
}

function protocolError(state: string): VarveError {
  return new VarveError("remote", `Cannot receive files: ${state}`);
}
