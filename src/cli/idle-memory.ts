import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { dropProgramPages, ownMemory, returnLargeBuffers, trimMalloc } from "../linux/index.ts";

export interface IdleMemoryOptions {
  /** Milliseconds between two looks at the process. Default 4000. */
  readonly interval?: number | undefined;
  /** Resident memory in bytes with which a release is not worth its time. Default: that of a server that has just started. */
  readonly floor?: number | undefined;
  /** Called after a release, with the resident memory in bytes. */
  readonly onRelease?: ((resident: number) => void) | undefined;
}

const INTERVAL = 4000;
const FLOOR = 67_108_864;
/**
 * Bytes by which memory of the process's own grows before garbage is collected again. Builds after that take some milliseconds more,
 * because compiled code was dropped too.
 */
const GROWTH = 16_777_216;
/** Bytes by which memory grows before pages of programs are dropped again, which takes a millisecond. What runs next maps some of them. */
const PAGES = 4_194_304;
/**
 * Percent by which the heap may grow before garbage is collected while builds run. V8 lets a small heap grow to four times its size, which a
 * server that others share a machine with does not need.
 */
const HEAP_GROWTH = 50;
/** The part of a processor that an idle process uses at most. */
const IDLE = 0.02;

/**
 * Keeps the memory of a server small: its heap grows slowly, large buffers are returned at once, and memory is released when it does
 * nothing. V8 collects garbage only when a program asks for memory, so that a server would keep that of its last build until the next one.
 * Pages of programs are dropped too: the kernel has them in its cache, and counts them as memory of this process only because they are
 * mapped. Dispose of the result to stop.
 */
export function releaseIdleMemory({
  interval = INTERVAL,
  floor = FLOOR,
  onRelease,
}: IdleMemoryOptions = {}): Disposable {
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWTH}`);
  returnLargeBuffers();
  let limit = 0;
  let level = floor;
  let last = process.cpuUsage();
  const look = (): void => {
    const { user, system } = process.cpuUsage(last);
    last = process.cpuUsage();
    if (user + system > interval * 1000 * IDLE || process.memoryUsage.rss() < level) return;
    if (ownMemory() >= limit) {
      collectGarbage();
      trimMalloc();
      limit = ownMemory() + GROWTH;
    }
    dropProgramPages();
    // The release itself is no work.
    last = process.cpuUsage();
    const resident = process.memoryUsage.rss();
    level = Math.max(floor, resident + PAGES);
    onRelease?.(resident);
  };
  const timer = setInterval(look, interval).unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** Collects everything, also code that has not run for long, and makes the young generation small. */
function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  // Contexts that are made from now on have the function; nobody else gets it.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what V8 makes of the flag
  const collect = runInNewContext("gc") as (options: object) => void;
  setFlagsFromString("--no-expose-gc");
  collect({ type: "major", flavor: "last-resort" });
}
