import { createHash } from "node:crypto";
import { linkSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { writeFileAtomic } from "../../io/index.ts";
import type { SeccompProfile } from "./seccomp.ts";
import type { Runtime } from "../types.ts";

/** A struct sock_filter. */
const INSTRUCTION = 8;
const MAX_INSTRUCTIONS = 4096;
/** BPF_RET | BPF_K, which ends every filter that the kernel takes. */
const RETURN = 0x06;
const LOOK_EVERY = 2;
const LOOKS = 250;

/** A runtime about to compile a filter, to be watched. */
export interface Compilation {
  /** Settles soon after the runtime has made the file of its filter, or when it is not going to. */
  watch(signal: AbortSignal): Promise<void>;
  /** Takes the filter over, once the step it was made for has run. */
  finish(): Promise<void>;
}

/**
 * System call filters as crun has compiled them, by profile. Compiling Docker's takes 10 ms, longer than the rest of crun's
 * work, and Debian's crun does so for every container; it takes a compiled one as an annotation. Filters are kept in the state
 * directory, which only its owner can write to.
 */
export class FilterCache {
  readonly #directory: string;
  readonly #runtime: Runtime;
  readonly #known = new Map<string, string>();

  constructor(directory: string, runtime: Runtime) {
    this.#directory = directory;
    this.#runtime = runtime;
  }

  /** The filter in base64. */
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

  /** Prepares to keep what crun compiles to `source`; `link` is a name on the same filesystem, for the time of the step. */
  compilation(profile: SeccompProfile, source: string, link: string): Compilation | undefined {
    if (this.#runtime.name !== "crun") return undefined;
    const path = this.#path(profile);
    return {
      watch: async (signal) => {
        for (let look = 0; look < LOOKS && !signal.aborted && !tryLink(source, link); look += 1)
          await sleep(LOOK_EVERY);
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

/** A second name: the runtime removes its own at the end. */
function tryLink(source: string, link: string): boolean {
  try {
    linkSync(source, link);
    return true;
  } catch {
    return false;
  }
}

function checked(filter: Buffer): Buffer | undefined {
  const count = filter.length / INSTRUCTION;
  const whole = Number.isInteger(count) && count > 0 && count <= MAX_INSTRUCTIONS;
  return whole && filter.readUInt16LE(filter.length - INSTRUCTION) === RETURN ? filter : undefined;
}
