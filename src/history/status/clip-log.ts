/** Limits of the output of a step, for each of its two streams. -1 means no limit. */
export interface LogLimits {
  /** Bytes. */
  readonly size: number;
  /** Bytes per second since the step started. */
  readonly speed: number;
}

const DEFAULT_LIMITS: LogLimits = { size: 2 * 1024 * 1024, speed: 200 * 1024 };

/** Number of bytes at the end of clipped output that are kept until the step ends. */
const TAIL = 256 * 1024;

/** Reads the limits from the variables `BUILDKIT_STEP_LOG_MAX_SIZE` and `BUILDKIT_STEP_LOG_MAX_SPEED`. */
export function logLimits(env: NodeJS.ProcessEnv = process.env): LogLimits {
  return {
    size: limit(env["BUILDKIT_STEP_LOG_MAX_SIZE"]) ?? DEFAULT_LIMITS.size,
    speed: limit(env["BUILDKIT_STEP_LOG_MAX_SPEED"]) ?? DEFAULT_LIMITS.speed,
  };
}

function limit(text = ""): number | undefined {
  return /^[+-]?\d{1,9}$/.test(text) ? Number(text) : undefined;
}

/**
 * Clips the output of one stream of a step as BuildKit does: output beyond a limit is replaced by one line, and the last 256 KiB are
 * returned when the step ends.
 *
 * @see moby/buildkit util/progress/logs/logs.go
 */
export class LogClipper {
  readonly #limits: LogLimits;
  readonly #startedAt: number;
  #size = 0;
  #isClipping = false;
  /** The end of the output since it was clipped first. */
  #tail: Tail | undefined;

  constructor(limits: LogLimits, startedAt: number) {
    this.#limits = limits;
    this.#startedAt = startedAt;
  }

  /** Returns the part of `data` that is within the limits, followed by the notice if output is clipped from here on. */
  push(data: Uint8Array, at: number): Uint8Array {
    const { most, reason } = this.#limit(at);
    const kept = Math.max(0, Math.min(data.length, most - this.#size));
    this.#size += data.length;
    if (kept < data.length) this.#tail ??= new Tail();
    this.#tail?.push(data);
    if (kept === data.length) {
      this.#isClipping = false;
      return data;
    }
    const start = data.subarray(0, kept);
    if (this.#isClipping) return start;
    this.#isClipping = true;
    return Buffer.concat([start, Buffer.from(`\n[output clipped, log limit ${reason} reached]\n`)]);
  }

  /** Returns the end of output that was clipped. Call it when the step ends. */
  end(): Uint8Array | undefined {
    return this.#tail?.bytes();
  }

  /** Returns the number of bytes that are allowed until now, and the limit that it comes from. */
  #limit(at: number): { readonly most: number; readonly reason: string } {
    const { size, speed } = this.#limits;
    const most = size === -1 ? Infinity : size;
    const seconds = Math.max(1, Math.ceil((at - this.#startedAt) / 1000));
    if (speed !== -1 && seconds * speed <= most) return { most: seconds * speed, reason: `${formatBytes(speed)}/s` };
    return { most, reason: formatBytes(size) };
  }
}

/** Keeps the last bytes of what is pushed. */
class Tail {
  readonly #ring = Buffer.alloc(TAIL);
  #length = 0;

  push(data: Uint8Array): void {
    const last = data.subarray(Math.max(0, data.length - TAIL));
    const at = (this.#length + data.length - last.length) % TAIL;
    const first = last.subarray(0, TAIL - at);
    this.#ring.set(first, at);
    this.#ring.set(last.subarray(first.length), 0);
    this.#length += data.length;
  }

  bytes(): Uint8Array {
    if (this.#length <= TAIL) return this.#ring.subarray(0, this.#length);
    const at = this.#length % TAIL;
    return Buffer.concat([this.#ring.subarray(at), this.#ring.subarray(0, at)]);
  }
}

/** Formats a number of bytes with binary units: `2MiB`. */
function formatBytes(count: number): string {
  const power = count < 1024 ? 0 : Math.min(3, Math.floor(Math.log2(count) / 10));
  return `${Number((count / 1024 ** power).toPrecision(6))}${["B", "KiB", "MiB", "GiB"][power] ?? ""}`;
}
