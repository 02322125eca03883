import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Architecture } from "./architectures.ts";
import { probeProgram, patternOf } from "./elf.ts";

/** Where the kernel lists what is registered: Documentation/admin-guide/binfmt-misc.rst. */
export const BINFMT_MISC = "/proc/sys/fs/binfmt_misc";

/** An emulator that is registered for programs that begin with some bytes. */
export interface Registration {
  readonly interpreter: string;
  /** True if the kernel has opened it (flag F): it then runs in every root filesystem. Otherwise each has to contain it. */
  readonly isOpened: boolean;
  /** It is given the name that the program was called by (flag P). */
  readonly keepsName: boolean;
}

/** Returns the enabled registration for programs of an architecture, in a directory such as `BINFMT_MISC`. */
export function registrationFor(architecture: Architecture, directory: string = BINFMT_MISC): Registration | undefined {
  const program = probeProgram(architecture);
  // The kernel takes the one that was registered last. Its order is not to be seen.
  return registered(directory).find(({ matches }) => matches(program));
}

interface Entry extends Registration {
  readonly matches: (program: Buffer) => boolean;
}

function registered(directory: string): Entry[] {
  try {
    const names = readdirSync(directory).filter((name) => name !== "register" && name !== "status");
    return names.flatMap((name) => entryOf(readFileSync(join(directory, name), "latin1")));
  } catch {
    return [];
  }
}

function entryOf(text: string): Entry[] {
  const field = (name: string): string | undefined => new RegExp(`^${name}:? (.*)$`, "m").exec(text)?.[1];
  const [interpreter, magic, flags = ""] = [field("interpreter"), field("magic"), field("flags")];
  if (!text.startsWith("enabled\n") || interpreter === undefined || magic === undefined) return [];
  const [wanted, mask] = [
    Buffer.from(magic, "hex"),
    Buffer.from(field("mask") ?? "ff".repeat(magic.length / 2), "hex"),
  ];
  const offset = Number(field("offset") ?? 0);
  const matches = (program: Buffer): boolean =>
    program.length >= offset + wanted.length &&
    wanted.every((byte, at) => ((byte ^ (program[offset + at] ?? 0)) & (mask[at] ?? 0)) === 0);
  return [{ interpreter, isOpened: flags.includes("F"), keepsName: flags.includes("P"), matches }];
}

/** The kernel's limit of a line for `register`, in bytes. */
export const MAX_REGISTRATION = 1920;

/**
 * Returns the line that registers an emulator. The kernel opens it at once (F), gives it the program's file (O) and the program's
 * privileges, so that set-user-id programs work (C), and, with `keepsName`, the name that the program was called by (P).
 */
export function registrationLine(architecture: Architecture, interpreter: string, keepsName: boolean): string {
  const { magic, mask } = patternOf(architecture);
  const flags = keepsName ? "POCF" : "OCF";
  // The first character separates the fields. A path may contain any but a NUL, and a line ends at a line feed.
  return ["", entryName(architecture), "M", "0", escaped(magic), escaped(mask), interpreter, flags].join("\t");
}

/** The name of Varve's registration for an architecture. */
export function entryName({ qemu }: Architecture): string {
  return `varve-${qemu}`;
}

function escaped(bytes: Buffer): string {
  return bytes.toString("hex").replace(/../g, String.raw`\x$&`);
}
