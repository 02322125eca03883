import { readDuration } from "./duration.ts";

/** How a step is cached, beyond its cache key. In a Dockerfile, comments `# varve: …` above an instruction say so. */
export interface StepPolicy {
  /** A cached result that is older is not used. `text` is the duration as written; `ms` is in milliseconds. */
  readonly ttl?: { readonly text: string; readonly ms: number } | undefined;
  /** No cached result is used. */
  readonly never?: true | undefined;
  /** IDs of secrets whose values the cache key depends on. */
  readonly secrets?: readonly string[] | undefined;
  /** Steps that follow are looked up by the files of this step's result. */
  readonly cutoff?: true | undefined;
  /** The step is also found by what it reads; see `TracedSetting`. */
  readonly traced?: TracedSetting | undefined;
  /** Misses of the step are not explained. */
  readonly why?: "off" | undefined;
}

/**
 * How a step is traced. `contents`: it is cached if only contents of files differ that it does not read. `loose`: new files in directories
 * that it has not touched are no difference either. `verify`: it runs, and its result is compared with the one that `contents` would take.
 */
export type TracedSetting = "contents" | "loose" | "verify";

const TRACED: readonly TracedSetting[] = ["contents", "loose", "verify"];

/** Returns the setting with a name, if there is one. */
export function tracedSetting(name: string): TracedSetting | undefined {
  return TRACED.find((setting) => setting === name);
}

/** A directive, or why it is none. `name` is what stands before `=`. */
export type ReadDirective =
  | { readonly kind: "policy"; readonly name: DirectiveName; readonly policy: StepPolicy }
  | { readonly kind: "unknown"; readonly name: string }
  | { readonly kind: "invalid"; readonly name: DirectiveName; readonly reason: string };

export type DirectiveName = "ttl" | "never" | "secret" | "cutoff" | "traced" | "why";

const READERS: Readonly<Record<DirectiveName, (value: string | undefined) => StepPolicy | string>> = {
  ttl: (text = "") => {
    const ms = readDuration(text);
    const isUsable = ms !== undefined && ms > 0 && Number.isSafeInteger(Math.ceil(ms));
    return isUsable ? { ttl: { text, ms } } : "expected a duration, such as ttl=7d";
  },
  never: (value) => (value === undefined ? { never: true } : "expected no value"),
  secret: (id = "") => (id === "" ? "expected the ID of a secret, such as secret=npm" : { secrets: [id] }),
  cutoff: (value) => (value === undefined ? { cutoff: true } : "expected no value"),
  traced: (value = "contents") => {
    const traced = tracedSetting(value);
    return traced === undefined ? "expected traced, traced=loose or traced=verify" : { traced };
  },
  why: (value) => (value === "off" ? { why: "off" } : "expected why=off"),
};

/** The names of all directives. */
export const DIRECTIVES: readonly DirectiveName[] = ["ttl", "never", "secret", "cutoff", "traced", "why"];

function isDirective(name: string): name is DirectiveName {
  return Object.hasOwn(READERS, name);
}

/** Reads one directive, such as `ttl=7d` or `never`. */
export function readPolicyDirective(word: string): ReadDirective {
  const equals = word.indexOf("=");
  const name = equals < 0 ? word : word.slice(0, equals);
  if (!isDirective(name)) return { kind: "unknown", name };
  const policy = READERS[name](equals < 0 ? undefined : word.slice(equals + 1));
  return typeof policy === "string" ? { kind: "invalid", name, reason: policy } : { kind: "policy", name, policy };
}

/** Combines two policies for one step. Of two `ttl`s, the shorter one applies. */
export function mergePolicies(a: StepPolicy | undefined, b: StepPolicy | undefined): StepPolicy | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  const ttl = a.ttl !== undefined && b.ttl !== undefined ? (a.ttl.ms < b.ttl.ms ? a.ttl : b.ttl) : (a.ttl ?? b.ttl);
  const secrets = [...new Set([...(a.secrets ?? []), ...(b.secrets ?? [])])].sort();
  return { ...a, ...b, ...(ttl === undefined ? {} : { ttl }), ...(secrets.length === 0 ? {} : { secrets }) };
}

/** Writes a policy as directives, separated by blanks: `ttl=7d secret=npm cutoff`. */
export function formatPolicy({ ttl, never, secrets = [], cutoff, traced, why }: StepPolicy): string {
  const words = [
    ...(ttl === undefined ? [] : [`ttl=${ttl.text}`]),
    ...(never === true ? ["never"] : []),
    ...secrets.map((id) => `secret=${id}`),
    ...(cutoff === true ? ["cutoff"] : []),
    ...(traced === undefined ? [] : [`traced=${traced}`]),
    ...(why === undefined ? [] : [`why=${why}`]),
  ];
  return words.join(" ");
}

/** Reads what `formatPolicy` has written. Undefined if the text contains anything else. */
export function parsePolicy(text: string): StepPolicy | undefined {
  let policy: StepPolicy | undefined;
  for (const word of text.split(" ")) {
    const read = readPolicyDirective(word);
    if (read.kind !== "policy") return undefined;
    policy = mergePolicies(policy, read.policy);
  }
  return policy;
}
