import { lstatSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { errnoOf, parseJson } from "../../core/index.ts";
import { Root, changePlaces } from "../../linux/index.ts";

/** A directory or file that was moved into the tree of a step, and has to return. */
export interface MovedEntry {
  readonly rootfs: string;
  /** Absolute in the root filesystem. */
  readonly path: string;
  /** Where it comes from. While it is away, an empty entry is there. */
  readonly home: string;
  readonly inode: string;
  readonly kind: "directory" | "file";
}

const FILE = "moved.json";

/** Writes down what a step's directory has to remember if this process is killed. */
export function recordMoves(directory: string, moved: readonly MovedEntry[]): void {
  writeFileSync(join(directory, FILE), JSON.stringify(moved), { mode: 0o600 });
}

/** Returns what a killed process has moved into the trees of its steps, in so far as it is still there. */
export function returnMoved(directory: string): void {
  for (const entry of readMoves(join(directory, FILE)).toReversed()) {
    try {
      giveBack(entry);
    } catch (error) {
      // Its tree, or the directory that it belongs to, was removed meanwhile.
      if (!GONE.has(errnoOf(error) ?? "")) throw error;
    }
  }
}

const GONE: ReadonlySet<string> = new Set(["ENOENT", "ENOTDIR", "ELOOP", "EXDEV"]);

function giveBack({ rootfs, path, home, inode, kind }: MovedEntry): void {
  using root = Root.open(rootfs);
  using parent = root.openParent(path);
  if (String(lstatSync(parent.entry, { bigint: true }).ino) !== inode) return;
  if (kind === "directory" ? readdirSync(home).length > 0 : lstatSync(home).size > 0) return;
  changePlaces(home, parent.entry, kind);
}

function readMoves(file: string): MovedEntry[] {
  try {
    const listed = parseJson(readFileSync(file), file).list((item) => item.requiredObject()) ?? [];
    return listed.map((entry) => {
      const text = (key: string): string => entry.string(key) ?? "";
      const kind = text("kind") === "file" ? "file" : "directory";
      return { rootfs: text("rootfs"), path: text("path"), home: text("home"), inode: text("inode"), kind };
    });
  } catch {
    // Nothing was moved, or the process ended before it was.
    return [];
  }
}
