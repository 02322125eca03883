import { closeSync, constants, openSync } from "node:fs";
import { libcCall, systemCall } from "./libc.ts";

const ioctlNumber = libcCall("ioctl", ["int", "ulong", "long"]);
const ioctlBuffer = libcCall("ioctl", ["int", "ulong", "void *"]);
const pidfdOpen = systemCall("pidfd_open", 434, ["long", "ulong"]);
const pidfdGetfd = systemCall("pidfd_getfd", 438, ["long", "long", "ulong"]);

const O_CLOEXEC = 0x8_0000;
/** Requests of ioctl_tty(2), with the same numbers on x86-64 and arm64. */
const TIOCSPTLCK = 0x4004_5431;
const TIOCGPTPEER = 0x5441;
const TIOCSWINSZ = 0x5414;
const TCGETS = 0x5401;
const TCSETS = 0x5402;
/** `struct termios` of the kernel: four flags of four bytes, a line discipline, and 19 control characters. */
const TERMIOS_SIZE = 36;
/** Offsets of the flags of `struct termios`. */
const [IFLAG, OFLAG, LFLAG] = [0, 4, 12];
/** IGNBRK, BRKINT, PARMRK, ISTRIP, INLCR, IGNCR, ICRNL and IXON: termios(3), `cfmakeraw`. */
const RAW_INPUT = 0o2753;
const OPOST = 0o1;
/** ECHO, ECHONL, ICANON, ISIG and IEXTEN. */
const RAW_LOCAL = 0o100113;

/** A pseudo-terminal, as descriptors that the caller closes and that no child inherits unless given them. */
export interface Terminal {
  /** Reads what is written to the terminal, and writes its input. It does not block. */
  readonly controller: number;
  /** For the process that gets the terminal. */
  readonly terminal: number;
}

export interface WindowSize {
  readonly rows: number;
  readonly columns: number;
}

/** Opens a pseudo-terminal that changes nothing of what passes through it. */
export function openTerminal(): Terminal {
  using stack = new DisposableStack();
  const { O_RDWR, O_NOCTTY, O_NONBLOCK } = constants;
  const controller = openSync("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK);
  stack.defer(() => closeSync(controller));
  ioctlBuffer({}, controller, TIOCSPTLCK, Buffer.alloc(4));
  const terminal = ioctlNumber({}, controller, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  stack.defer(() => closeSync(terminal));
  makeRaw(terminal);
  stack.move();
  return { controller, terminal };
}

function makeRaw(terminal: number): void {
  const settings = Buffer.alloc(TERMIOS_SIZE);
  ioctlBuffer({}, terminal, TCGETS, settings);
  const clear = (offset: number, bits: number): void => {
    settings.writeUInt32LE((settings.readUInt32LE(offset) & ~bits) >>> 0, offset);
  };
  clear(IFLAG, RAW_INPUT);
  clear(OFLAG, OPOST);
  clear(LFLAG, RAW_LOCAL);
  ioctlBuffer({}, terminal, TCSETS, settings);
}

/** Sets the size of a terminal, of which `descriptor` is either end. Its foreground processes get SIGWINCH. */
export function setWindowSize(descriptor: number, { rows, columns }: WindowSize): void {
  const size = Buffer.alloc(8);
  size.writeUInt16LE(rows, 0);
  size.writeUInt16LE(columns, 2);
  ioctlBuffer({}, descriptor, TIOCSWINSZ, size);
}

/** Returns a duplicate of a descriptor of another process, which the caller closes: pidfd_getfd(2). */
export function duplicateOf(pid: number, descriptor: number): number {
  const process = pidfdOpen({}, pid, 0);
  try {
    return pidfdGetfd({}, process, descriptor, 0);
  } finally {
    closeSync(process);
  }
}
