import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { libcCall } from "./libc.ts";
import type { Path } from "./path.ts";

const syncfsCall = libcCall("syncfs", ["int"]);

/** Writes everything of the filesystem that holds `path` to its device; does not block the main thread. */
export async function syncfs(path: Path): Promise<void> {
  await using file = await open(path, constants.O_RDONLY);
  await syncfsCall.async({ path }, file.fd);
}
