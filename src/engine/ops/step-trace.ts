import { isVarveError } from "../../core/index.ts";
import { AccessTrace } from "../../exec/index.ts";
import { type ByteString, byteStringOf } from "../../linux/index.ts";
import { type Accesses, type LayerEntry, MAX_ACCESSES, MAX_MOUNTS, type StepTraces } from "../../traced/index.ts";
import { readUpper, upperOf } from "../traced/upper-entries.ts";
import type { StepWatch } from "./exec.ts";
import type { LayeredMount, StepMounts } from "./exec-mounts.ts";

/** Something, or the reason why it is not known. */
type Known<T> = { readonly kind: "known"; readonly value: T } | { readonly kind: "unknown"; readonly reason: string };

/** What a step has opened. */
export interface StepAccesses {
  /** In its root. */
  readonly root: Known<Accesses>;
  /** In its bind mounts of inputs, in the order of the op, with what it wrote there. Paths are relative to the mount. */
  readonly mounts: Known<readonly StepTraces[]>;
}

const NOT_RUN = { kind: "unknown", reason: "it has not run" } as const;

/** Notes what a step opens; see `LimitedExec.trace`. */
export class StepTrace implements StepWatch {
  readonly #signal: AbortSignal;
  #accesses: StepAccesses = { root: NOT_RUN, mounts: NOT_RUN };

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  get accesses(): StepAccesses {
    return this.#accesses;
  }

  async watch<T>(mounts: StepMounts, run: () => Promise<T>): Promise<T> {
    using stack = new DisposableStack();
    const root = await known(() => stack.use(new AccessTrace({ kind: "root", path: mounts.rootfs }, MAX_ACCESSES)));
    const traces = await known(() => tracesOf(mounts, stack));
    const ended = await run();
    this.#accesses = {
      root: await then(root, (trace) => trace.finish()),
      mounts: await then(traces, async (all) => await Promise.all(all.map(async (each) => await this.#finish(each)))),
    };
    return ended;
  }

  async #finish({ mount, trace }: MountTrace): Promise<StepTraces> {
    return { accesses: trace.finish(), layer: await writtenTo(mount, this.#signal) };
  }
}

interface MountTrace {
  readonly mount: LayeredMount;
  readonly trace: AccessTrace;
}

/** Starts to note what is opened in the mounts of a step. */
function tracesOf({ layered }: StepMounts, stack: DisposableStack): MountTrace[] {
  if (layered.length > MAX_MOUNTS) throw new Unknown("there are too many");
  return layered.map((each) => {
    const trace = stack.use(new AccessTrace({ kind: "mount", path: each.mount.source }, MAX_ACCESSES));
    return { mount: each, trace };
  });
}

/** Returns the entries of what a step has written to a mount. */
async function writtenTo({ upper, tree, mount }: LayeredMount, signal: AbortSignal): Promise<LayerEntry[]> {
  if (upper === undefined) throw new Unknown("what it wrote there is not known");
  const entries = await readUpper(upperOf(upper), { contents: false, signal });
  const selected = byteStringOf(mount.source.slice(tree.length));
  return entries.flatMap((entry) => {
    const path = pathBelow(entry.path, selected);
    return path === undefined ? [] : [{ ...entry, path }];
  });
}

/** Returns a path relative to one that it is below, or the same as; with a leading slash. `""` is the root. */
export function pathBelow(path: ByteString, above: ByteString): ByteString | undefined {
  if (path === above) return "/";
  return path.startsWith(`${above}/`) ? path.slice(above.length) : undefined;
}

/** Why something is not known. */
class Unknown extends Error {}

async function known<T>(work: () => T | Promise<T>): Promise<Known<T>> {
  try {
    return { kind: "known", value: await work() };
  } catch (error) {
    if (error instanceof Unknown || isVarveError(error, "unsupported", "limit-exceeded"))
      return { kind: "unknown", reason: error.message };
    throw error;
  }
}

async function then<T, U>(before: Known<T>, work: (value: T) => U | Promise<U>): Promise<Known<U>> {
  return before.kind === "unknown" ? before : await known(() => work(before.value));
}
