/** What has to be known of a processor architecture to make a program for it, and to recognise one. */
export interface Architecture {
  /** As in a platform: `arm64`. */
  readonly name: string;
  /** As in the names of QEMU's programs: `aarch64`. */
  readonly qemu: string;
  readonly bits: 32 | 64;
  readonly endian: "little" | "big";
  /** `e_machine` of an ELF header. */
  readonly machine: number;
  /** `e_flags` of an ELF header. */
  readonly flags: number;
  /** Machine code that ends the process with the number of its arguments, less one, as the exit code. */
  readonly code: string;
}

type Row = readonly [name: string, qemu: string, size: string, machine: number, flags: number, code: string];

/** In the order in which BuildKit lists them. Each program loads argc from the stack, subtracts one, and calls exit. */
const ROWS: readonly Row[] = [
  ["amd64", "x86_64", "64 little", 62, 0, "8b3c24 ffcf b83c000000 0f05"],
  ["arm64", "aarch64", "64 little", 183, 0, "e00340f9 000400d1 a80b80d2 010000d4"],
  ["riscv64", "riscv64", "64 little", 243, 0, "03350100 1305f5ff 9308d005 73000000"],
  // Flags 2: the second version of the interface, in which the entry is code, and not a descriptor of a function.
  ["ppc64", "ppc64", "64 big", 21, 2, "e8610000 3863ffff 38000001 44000002"],
  ["ppc64le", "ppc64le", "64 little", 21, 2, "000061e8 ffff6338 01000038 02000044"],
  ["s390x", "s390x", "64 big", 22, 0, "e320f0000004 a72bffff 0a01"],
  ["386", "i386", "32 little", 3, 0, "8b1c24 4b b801000000 cd80"],
  ["mips64le", "mips64el", "64 little", 8, 0x8000_0000, "0000a4df ffff8464 c2130224 0c000000"],
  ["mips64", "mips64", "64 big", 8, 0x8000_0000, "dfa40000 6484ffff 240213c2 0000000c"],
  ["loong64", "loongarch64", "64 little", 258, 0x43, "6400c028 84fcff02 0b748102 00002b00"],
  ["arm", "arm", "32 little", 40, 0x500_0000, "00009de5 010040e2 0170a0e3 000000ef"],
];

/** The architectures for which Varve knows emulators, in the order in which BuildKit lists them. */
export const ARCHITECTURES: readonly Architecture[] = ROWS.map(([name, qemu, size, machine, flags, code]) => ({
  name,
  qemu,
  bits: size.startsWith("64") ? 64 : 32,
  endian: size.endsWith("little") ? "little" : "big",
  machine,
  flags,
  code: code.replaceAll(" ", ""),
}));

/** Returns an architecture by its name in platforms. */
export function architectureNamed(name: string): Architecture | undefined {
  return ARCHITECTURES.find((architecture) => architecture.name === name);
}
