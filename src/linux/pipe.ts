import { libcCall } from "./libc.ts";

const pipe2 = libcCall("pipe2", ["void *", "int"]);
const O_CLOEXEC = 0x8_0000;

/** The two ends of a pipe, as descriptors that the caller closes and that no child inherits unless given them. */
export interface Pipe {
  readonly reader: number;
  readonly writer: number;
}

/**
 * A pipe of the kernel. Node gives children socket pairs instead, through which a child cannot open its own `/dev/stdout`.
 */
export function pipe(): Pipe {
  const ends = Buffer.alloc(8);
  pipe2({}, ends, O_CLOEXEC);
  return { reader: ends.readInt32LE(0), writer: ends.readInt32LE(4) };
}
