import type { OrderedJson } from "../../core/index.ts";
import { type CpuTimes, cpuTimes, cpuTimesBetween } from "./cpu-times.ts";
import { type MeasuredGroups, groupSample } from "./group-sample.ts";
import { Sampler } from "./sampler.ts";

/** What a step has used: BuildKit's `resourceUsage`. */
export interface StepUsage {
  /** Each is what was used until then. The last is from when the step had ended. */
  readonly samples: readonly OrderedJson[];
  /** What the whole machine did while the step ran, in seconds. */
  readonly sysCPUStat?: CpuTimes | undefined;
}

/** As BuildKit's: https://github.com/moby/buildkit/blob/v0.29.0/executor/resources/monitor.go */
const MOST = 10;

/** Measures what a step uses, from its start on. */
export class StepMeter implements Disposable {
  readonly #sampler: Sampler<OrderedJson>;
  readonly #before = cpuTimes();

  constructor(groups: MeasuredGroups) {
    this.#sampler = new Sampler({ sample: () => groupSample(groups), most: MOST });
  }

  /** Returns what the step has used, when it has ended and its groups still exist. */
  close(): StepUsage {
    const samples = this.#sampler.close();
    const after = cpuTimes();
    if (this.#before === undefined || after === undefined) return { samples };
    return { samples, sysCPUStat: cpuTimesBetween(this.#before, after) };
  }

  [Symbol.dispose](): void {
    this.#sampler[Symbol.dispose]();
  }
}
