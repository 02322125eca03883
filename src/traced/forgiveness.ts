import type { ByteString } from "../linux/index.ts";
import type { Accesses } from "./accesses.ts";
import type { TreeChange } from "./changes.ts";
import { type LayerEntry, ancestorsOf, parentOf } from "./layer-entry.ts";

/**
 * Which changes a step that reads nothing of them may have. `contents`: other contents of files. `loose`: also new files in directories
 * that the step has not touched. That is a bet, because failed look-ups are not seen.
 */
export type TracedMode = "contents" | "loose";

/** A change that a step has seen, or may have seen. */
export interface SeenChange {
  readonly change: TreeChange;
  /** `read`: the step has opened the file. `written`: its layer changes it. `shape`: not only the content of a file differs. */
  readonly why: "read" | "written" | "shape";
}

/** What a step has read and written. */
export interface StepTraces {
  readonly accesses: Accesses;
  /** The entries of the step's own layer. */
  readonly layer: readonly LayerEntry[];
}

/** Decides which changes of its input a step cannot have seen. */
export class Forgiveness {
  readonly #accesses: Accesses;
  readonly #mode: TracedMode;
  readonly #written = new Set<ByteString>();
  /** Paths below which the step's layer shows nothing of the input. */
  readonly #hidden = new Set<ByteString>();
  #touched: Set<ByteString> | undefined;

  constructor({ accesses, layer }: StepTraces, mode: TracedMode) {
    this.#accesses = accesses;
    this.#mode = mode;
    for (const entry of layer) {
      this.#written.add(entry.path);
      if (entry.kind !== "directory" || entry.opaque) this.#hidden.add(entry.path);
    }
  }

  /** Returns undefined if the step makes the same layer with the change as without it. */
  judge(change: TreeChange): SeenChange | undefined {
    const { path, kind } = change;
    if (this.#accesses.has(path)) return { change, why: "read" };
    if (this.#isWritten(path)) return { change, why: "written" };
    if (kind === "content" || (kind === "added" && this.#isUntouched(path))) return undefined;
    return { change, why: "shape" };
  }

  #isWritten(path: ByteString): boolean {
    return this.#written.has(path) || ancestorsOf(path).some((above) => this.#hidden.has(above));
  }

  /** True if the step has opened nothing in the directory that a path is in. */
  #isUntouched(path: ByteString): boolean {
    if (this.#mode !== "loose") return false;
    this.#touched ??= this.#touchedDirectories();
    return !this.#touched.has(parentOf(path));
  }

  #touchedDirectories(): Set<ByteString> {
    const touched = new Set<ByteString>();
    for (const paths of [this.#accesses, this.#written])
      for (const path of paths) {
        touched.add(path);
        for (const above of ancestorsOf(path)) touched.add(above);
      }
    return touched;
  }
}
