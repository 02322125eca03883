import type { ErrorCode } from "../../src/core/index.ts";
import type { Bytes } from "../../src/io/index.ts";
import { rawEntry } from "../raw-tar.ts";

/** An archive that has broken, or could break, some reader. */
export interface Advisory {
  readonly id: string;
  /** What the archive does. */
  readonly does: string;
  /** `outside` is an absolute path beside the directory, which has `file` and `directory`, and begins with its name. */
  readonly archive: (outside: string) => Buffer | Bytes;
  /** An archive or layer that has been unpacked before. */
  readonly before?: (outside: string) => Buffer;
  /** "contained": it is unpacked, or a part of it, inside. */
  readonly expected: "contained" | ErrorCode;
  /** What the tree is then, if that matters. */
  readonly tree?: readonly string[];
}

export const file = (name: string, data = "evil"): Buffer => rawEntry({ name, data });
export const directory = (name: string, mode = "0000755\0"): Buffer => rawEntry({ name, typeFlag: "5", mode });
export const symlink = (name: string, linkName: string): Buffer => rawEntry({ name, typeFlag: "2", linkName });
export const hardlink = (name: string, linkName: string): Buffer => rawEntry({ name, typeFlag: "1", linkName });
