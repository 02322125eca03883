import { readFileSync } from "node:fs";
import { libcCall } from "./libc.ts";

const madvise = libcCall("madvise", ["ulong", "size_t", "int"]);
const MADV_DONTNEED = 4;
/** `00400000-0082e000 r-xp 00000000 fe:00 2049023   /usr/bin/node`: proc(5). */
const HEAD = /^([0-9a-f]+)-([0-9a-f]+) ([r-])([w-])[x-]([ps]) \S+ \S+ (\d+)/;

/** A part of the address space. In bytes. */
export interface Mapping {
  readonly start: bigint;
  readonly length: number;
}

/**
 * Returns the mappings whose resident pages are those of files, unchanged: the code and the constants of programs and libraries. `smaps`:
 * the text of `/proc/PID/smaps`.
 */
export function unchangedMappings(smaps: string): Mapping[] {
  const found: Mapping[] = [];
  for (const text of smaps.split(/\n(?=[0-9a-f]+-[0-9a-f]+ )/)) {
    const [, start = "", end = "", , writable, sharing, inode] = HEAD.exec(text) ?? [];
    if (writable !== "-" || sharing !== "p" || inode === "0") continue;
    // What the loader has written before it took away the right to write is nowhere else.
    if (!/^Rss: +[1-9]/m.test(text) || !/^Anonymous: +0 kB$/m.test(text)) continue;
    const [from, to] = [BigInt(`0x${start}`), BigInt(`0x${end}`)];
    found.push({ start: from, length: Number(to - from) });
  }
  return found;
}

/**
 * Makes the pages of programs and libraries not resident: the kernel has them in its cache of files, and maps them again when this process
 * executes or reads them. Does nothing where the kernel does not tell what is mapped.
 */
export function dropProgramPages(): void {
  let smaps: string;
  try {
    smaps = readFileSync("/proc/self/smaps", "latin1");
  } catch {
    return;
  }
  for (const { start, length } of unchangedMappings(smaps)) madvise.attempt(start, length, MADV_DONTNEED);
}

/** Bytes of this process in memory, but for those of files: statm of proc(5). */
export function ownMemory(): number {
  const [, resident = 0, shared = 0] = readFileSync("/proc/self/statm", "latin1").split(" ").map(Number);
  return (resident - shared) * PAGE;
}

/** The smallest page; where pages are larger, less memory is seen than there is. */
const PAGE = 4096;
