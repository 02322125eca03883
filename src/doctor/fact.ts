/** One thing a build can use, as this machine has it. */
export interface Fact {
  readonly name: string;
  /** `limited`: builds work, but slower or without something. */
  readonly state: "ok" | "limited" | "missing";
  /** What was found: a version, a path, a number. */
  readonly value: string;
  /** True if no build with `RUN` steps works where this is missing. */
  readonly required: boolean;
  /** What does not work, or works less well. */
  readonly consequence?: string | undefined;
  /** A command that mends it. */
  readonly mend?: string | undefined;
}

type Trouble = Pick<Fact, "consequence"> & { readonly mend?: string | undefined };

export function ok(name: string, value: string, required = false): Fact {
  return { name, state: "ok", value, required };
}

export function limited(name: string, value: string, trouble: Trouble): Fact {
  return { name, state: "limited", value, required: false, ...known(trouble) };
}

/** Something without which no build with `RUN` steps works. */
export function missing(name: string, value: string, trouble: Trouble): Fact {
  return { name, state: "missing", value, required: true, ...known(trouble) };
}

function known({ consequence, mend }: Trouble): Pick<Fact, "consequence" | "mend"> {
  return { consequence, mend };
}

export interface DoctorReport {
  readonly root: string;
  /** True if a build with `RUN` steps works here: one was run, and nothing that every build needs is missing. */
  readonly ready: boolean;
  readonly facts: readonly Fact[];
}
