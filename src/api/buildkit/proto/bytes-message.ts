import { VarveError } from "../../../core/index.ts";
import type { Codec, Method } from "../../../grpc/index.ts";
import type { DescMethod } from "@bufbuild/protobuf";

const DATA = 0x0a;
/** Lengths that take one more byte as a varint. */
const VARINT_STEPS = [0x80, 0x4000, 0x20_0000, 0x1000_0000];

/**
 * Pieces of bytes: a message with one field, which several packages define alike. Written by hand, because tunnels send every byte of a
 * session through it.
 */
const bytesMessage: Codec<Uint8Array> = {
  encode(data) {
    if (data.length === 0) return data;
    const size = VARINT_STEPS.findIndex((step) => data.length < step) + 1;
    const message = Buffer.allocUnsafe(1 + size + data.length);
    message[0] = DATA;
    let rest = data.length;
    for (let at = 1; at <= size; at += 1, rest >>>= 7) message[at] = (rest & 0x7f) | (at < size ? 0x80 : 0);
    message.set(data, 1 + size);
    return message;
  },
  decode(message) {
    let data: Uint8Array = message.subarray(0, 0);
    for (let at = 0; at < message.length;) {
      const tag = varint(message, at);
      const length = varint(message, tag.end);
      const isData = tag.value === DATA;
      if ((tag.value & 7) === 2) {
        at = length.end + length.value;
        if (at > message.length) throw malformed();
        if (isData) data = message.subarray(length.end, at);
      } else if ((tag.value & 7) === 0) at = length.end;
      else throw malformed();
    }
    return data;
  },
};

function varint(message: Uint8Array, start: number): { readonly value: number; readonly end: number } {
  let value = 0;
  for (let at = start; at < start + 10; at += 1) {
    const byte = message[at];
    if (byte === undefined) break;
    value += (byte & 0x7f) * 2 ** (7 * (at - start));
    if (byte < 0x80) return { value, end: at + 1 };
  }
  throw malformed();
}

function malformed(): VarveError {
  return new VarveError("corrupt", "Cannot read a message of bytes: it is malformed");
}

/** Returns a method whose messages are pieces of bytes. */
export function bytesMethod({ name, parent }: DescMethod): Method<Uint8Array, Uint8Array> {
  return { service: parent.typeName, name, request: bytesMessage, response: bytesMessage };
}
