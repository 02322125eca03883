/** The state of one thing that builds use on this machine. */
export interface Fact {
  readonly name: string;
  /** `limited`: builds work, but more slowly or without a feature. */
  readonly state: "ok" | "limited" | "missing";
  /** What was found, such as a version, a path or a number. */
  readonly value: string;
  /** True if builds with `RUN` steps cannot work without it. */
  readonly required: boolean;
  /** What does not work because of it. Undefined if `state` is `ok`. */
  readonly consequence?: string | undefined;
  /** A command that fixes it, where there is one. */
  readonly fix?: string | undefined;
}

type Problem = Pick<Fact, "consequence" | "fix">;

export function ok(name: string, value: string, required = false): Fact {
  return { name, state: "ok", value, required };
}

export function limited(name: string, value: string, problem: Problem): Fact {
  return { name, state: "limited", value, required: false, ...problem };
}

/** Reports something that builds with `RUN` steps cannot work without. */
export function missing(name: string, value: string, problem: Problem): Fact {
  return { name, state: "missing", value, required: true, ...problem };
}

/** What `doctorFacts` found. */
export interface DoctorReport {
  /** Absolute path of the root directory that was examined. */
  readonly root: string;
  /** True if builds work on this machine, with `RUN` steps too: a step ran, and nothing that is required is missing. */
  readonly ready: boolean;
  readonly facts: readonly Fact[];
}
