export { Emulation, entering, machineEmulation } from "./emulation.ts";
export { ELF_HEADER, architectureOf } from "./elf.ts";
export type { MissingEmulator, Support } from "./support.ts";
