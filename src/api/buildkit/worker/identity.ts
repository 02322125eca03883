import { randomInt } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic } from "../../../io/index.ts";

const ID = /^[0-9a-z]{25}$/;
const ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz";

/** Returns the id of a root's worker, which is made by the first call. */
export async function workerId(root: string): Promise<string> {
  const path = join(root, "workerid");
  const known = await readFile(path, "utf8").catch(() => "");
  if (ID.test(known)) return known;
  const made = Array.from({ length: 25 }, () => ALPHABET[randomInt(ALPHABET.length)]).join("");
  await writeFileAtomic(path, made);
  return made;
}
