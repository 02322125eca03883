import { ARCHITECTURES, type Architecture } from "./architectures.ts";

/** Bytes of an ELF file that say for which architecture it is. */
export const ELF_HEADER = 20;
const MAGIC = [0x7f, 0x45, 0x4c, 0x46];
const EXECUTABLE = 2;
const BASE = 0x40_0000;
const ALIGNMENT = 0x1_0000;
const LOAD = 1;
const READ_EXECUTE = 5;

/** Sizes of the parts of an ELF file: of its header, of a program header, and of a section header. */
const SIZES = { 32: [52, 32, 40], 64: [64, 56, 64] } as const;

/**
 * Returns a program that ends with the number of its arguments, without its own name, as its exit code. It needs no library and no
 * loader, so that it runs wherever programs of its architecture run.
 */
export function probeProgram({ bits, endian, machine, flags, code }: Architecture): Buffer {
  const [header, segment, section] = SIZES[bits];
  const instructions = Buffer.from(code, "hex");
  const size = header + segment + instructions.length;
  const out = new Fields(endian, bits);
  out.bytes(MAGIC).bytes([bits / 32, endian === "little" ? 1 : 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  out.half(EXECUTABLE).half(machine).word(1);
  out
    .address(BASE + header + segment)
    .address(header)
    .address(0);
  out.word(flags).half(header).half(segment).half(1).half(section).half(0).half(0);
  out.word(LOAD);
  if (bits === 64) out.word(READ_EXECUTE);
  out.address(0).address(BASE).address(BASE).address(size).address(size);
  if (bits === 32) out.word(READ_EXECUTE);
  out.address(ALIGNMENT);
  return Buffer.concat([out.done(), instructions]);
}

/** Fields of an ELF file, one after the other. */
class Fields {
  readonly #parts: Buffer[] = [];
  readonly #endian: "little" | "big";
  readonly #bits: 32 | 64;

  constructor(endian: "little" | "big", bits: 32 | 64) {
    this.#endian = endian;
    this.#bits = bits;
  }

  bytes(values: readonly number[]): this {
    this.#parts.push(Buffer.from(values));
    return this;
  }

  half(value: number): this {
    return this.#number(value, 2);
  }

  word(value: number): this {
    return this.#number(value, 4);
  }

  address(value: number): this {
    return this.#number(value, this.#bits / 8);
  }

  done(): Buffer {
    return Buffer.concat(this.#parts);
  }

  #number(value: number, bytes: number): this {
    const part = Buffer.alloc(bytes);
    const low = Math.min(bytes, 4);
    if (this.#endian === "little") part.writeUIntLE(value, 0, low);
    else part.writeUIntBE(value, bytes - low, low);
    this.#parts.push(part);
    return this;
  }
}

/** Returns for which architecture a file is that begins with these bytes; undefined if it is no ELF file, or for an unknown one. */
export function architectureOf(header: Uint8Array): Architecture | undefined {
  return ARCHITECTURES.find((architecture) => {
    const { magic, mask } = patternOf(architecture);
    return (
      header.length >= magic.length && magic.every((byte, at) => ((byte ^ (header[at] ?? 0)) & (mask[at] ?? 0)) === 0)
    );
  });
}

/** What programs of an architecture begin with: bytes, and which bits of them count. */
export interface Pattern {
  readonly magic: Buffer;
  readonly mask: Buffer;
}

/** Executables and shared objects (which position-independent executables are), for every operating system's interface. */
export function patternOf(architecture: Architecture): Pattern {
  const magic = probeProgram(architecture).subarray(0, ELF_HEADER);
  const mask = Buffer.alloc(ELF_HEADER, 0xff);
  const [interfaceAt, typeAt] = [7, architecture.endian === "little" ? 16 : 17];
  mask[interfaceAt] = 0;
  mask[typeAt] = 0xfe;
  return { magic, mask };
}
