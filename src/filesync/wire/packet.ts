import { corruptPacket, FieldReader, FieldWriter } from "./fields.ts";
import { type EncodedStat, encodeStat, readStat, type Stat } from "./stat.ts";

/** A message of the transfer: `fsutil.types.Packet`. */
export type Packet =
  /** The next entry of the sender's tree. `received` is the entry as it was received. */
  | { readonly type: "stat"; readonly stat: Stat; readonly received?: EncodedStat | undefined }
  /** The sender has no more entries. */
  | { readonly type: "listed" }
  /** The receiver wants the content of an entry. The id is the number of entries that were sent before it. */
  | { readonly type: "request"; readonly id: number }
  /** A piece of the content. No data: the end of the content. */
  | { readonly type: "data"; readonly id: number; readonly data: Uint8Array }
  /** The receiver has everything; the sender confirms it with the same packet. */
  | { readonly type: "finish" }
  /** One side has failed. */
  | { readonly type: "error"; readonly text: string };

const STAT = 0;
const REQUEST = 1;
const DATA = 2;
const FINISH = 3;
const ERROR = 4;

/** Longest text of an error that is kept. Bytes. */
const MAX_TEXT = 8192;
const NOTHING = new Uint8Array(0);

/**
 * Decodes a packet.
 * @throws {VarveError} `corrupt`
 */
export function decodePacket(message: Uint8Array): Packet {
  const reader = FieldReader.of(message);
  let [type, id] = [STAT, 0];
  let stat: FieldReader | undefined;
  let data: Uint8Array = NOTHING;
  while (reader.next()) {
    const { field } = reader;
    if (field === 1 || field === 3) {
      if (!reader.isNumber()) continue;
      const value = reader.uint32();
      if (field === 1) type = value;
      else id = value;
    } else if (field === 2 || field === 4) {
      if (!reader.isBytes()) continue;
      if (field === 2) stat = reader.message();
      else data = reader.bytes();
    } else reader.skip();
  }
  switch (type) {
    case STAT:
      return stat === undefined ? { type: "listed" } : { type: "stat", stat: readStat(stat), received: stat };
    case REQUEST:
      return { type: "request", id };
    case DATA:
      return { type: "data", id, data };
    case FINISH:
      return { type: "finish" };
    case ERROR:
      return { type: "error", text: textOf(data) };
    default:
      throw corruptPacket(`its type is ${type}`);
  }
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.subarray(0, MAX_TEXT)).toString("utf8");
}

/** Encodes a packet. */
export function encodePacket(packet: Packet): Buffer {
  const writer = new FieldWriter(packet.type === "data" ? packet.data.length + 32 : 32);
  switch (packet.type) {
    case "stat":
      writer.message(2, packet.received?.content ?? encodeStat(packet.stat));
      break;
    case "listed":
      break;
    case "request":
      writer.uint32(1, REQUEST);
      writer.uint32(3, packet.id);
      break;
    case "data":
      writer.uint32(1, DATA);
      writer.uint32(3, packet.id);
      writer.bytes(4, packet.data);
      break;
    case "finish":
      writer.uint32(1, FINISH);
      break;
    case "error":
      writer.uint32(1, ERROR);
      writer.bytes(4, Buffer.from(packet.text).subarray(0, MAX_TEXT));
      break;
  }
  return writer.finish();
}
