import { constants, readFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { libcCall } from "./libc.ts";
import type { Path } from "./path.ts";

const syncfsCall = libcCall("syncfs", ["int"]);

let boot: string | undefined;

/** Returns a text that is another one after each start of the machine's kernel; undefined if the kernel does not tell. */
export function bootId(): string | undefined {
  try {
    boot ??= readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    return boot;
  } catch {
    return undefined;
  }
}

/** Writes everything of the filesystem that holds `path` to its device; does not block the main thread. */
export async function syncfs(path: Path): Promise<void> {
  await using file = await open(path, constants.O_RDONLY);
  await syncfsCall.async({ path }, file.fd);
}
