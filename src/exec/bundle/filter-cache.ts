import { createHash } from "node:crypto";
import { linkSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { writeFileAtomic } from "../../io/index.ts";
import type { SeccompProfile } from "./seccomp.ts";
import type { Runtime } from "../types.ts";

/** Bytes of a `struct sock_filter`. */
const INSTRUCTION = 8;
const MAX_INSTRUCTIONS = 4096;
/** BPF_RET | BPF_K: the last instruction of every filter that the kernel accepts. */
const RETURN = 0x06;
/** Milliseconds. */
const POLL_INTERVAL = 2;
const MAX_POLLS = 250;

/** A runtime that is about to compile a filter. */
export interface Compilation {
  /** Waits until the runtime has created its filter file. Settles without it on abort or after a time-out. */
  watch(signal: AbortSignal): Promise<void>;
  /** Stores the filter in the cache. Called once the step has run successfully. */
  finish(): Promise<void>;
}

/**
 * Cache of system call filters that crun has compiled, by profile. Compiling Docker's profile takes 10 ms, longer than the
 * rest of crun's work, and Debian's crun compiles it for every container; it accepts a compiled filter as an annotation.
 * Filters are stored in the state directory, which only its owner can write to.
 */
export class FilterCache {
  readonly #directory: string;
  readonly #runtime: Runtime;
  readonly #known = new Map<string, string>();

  constructor(directory: string, runtime: Runtime) {
    this.#directory = directory;
    this.#runtime = runtime;
  }

  /** Returns the compiled filter in base64, or undefined if it is not in the cache. */
  get(profile: SeccompProfile): string | undefined {
    if (this.#runtime.name !== "crun") return undefined;
    const path = this.#path(profile);
    const known = this.#known.get(path);
    if (known !== undefined) return known;
    try {
      const filter = checked(readFileSync(path));
      if (filter !== undefined) this.#known.set(path, filter.toString("base64"));
    } catch {
      // Not compiled yet.
    }
    return this.#known.get(path);
  }

  /**
   * Returns the watcher of a compilation that crun writes to `source`; undefined for another runtime. `link` is an unused
   * path on the same filesystem, for a hard link that exists as long as the step.
   */
  compilation(profile: SeccompProfile, source: string, link: string): Compilation | undefined {
    if (this.#runtime.name !== "crun") return undefined;
    const path = this.#path(profile);
    return {
      watch: async (signal) => {
        for (let poll = 0; poll < MAX_POLLS && !signal.aborted && !tryLink(source, link); poll += 1)
          await sleep(POLL_INTERVAL);
      },
      finish: async () => {
        const filter = checked(await readFile(link).catch(() => Buffer.alloc(0)));
        if (filter !== undefined) await writeFileAtomic(path, filter, { mode: 0o600 });
      },
    };
  }

  #path(profile: SeccompProfile): string {
    const hash = createHash("sha256")
      .update(`${this.#runtime.path}\0${this.#runtime.version}\0`)
      .update(JSON.stringify(profile));
    return join(this.#directory, `seccomp-${hash.digest("hex").slice(0, 32)}.bpf`);
  }
}

/** Links the file to a second name, because the runtime removes the first when the step ends. */
function tryLink(source: string, link: string): boolean {
  try {
    linkSync(source, link);
    return true;
  } catch {
    return false;
  }
}

/** Returns the filter if it is complete. */
function checked(filter: Buffer): Buffer | undefined {
  const count = filter.length / INSTRUCTION;
  const whole = Number.isInteger(count) && count > 0 && count <= MAX_INSTRUCTIONS;
  return whole && filter.readUInt16LE(filter.length - INSTRUCTION) === RETURN ? filter : undefined;
}
