import type { ContainerConfig, Healthcheck } from "../image/index.ts";

const LISTS = ["Env", "Cmd", "Entrypoint", "Shell", "OnBuild"] as const;
const SETS = ["ExposedPorts", "Volumes"] as const;
const TEXTS = ["User", "WorkingDir", "StopSignal"] as const;
const FLAGS = [
  "AttachStdin",
  "AttachStdout",
  "AttachStderr",
  "NetworkDisabled",
  "Tty",
  "StdinOnce",
  "ArgsEscaped",
] as const;
const DURATIONS = ["Interval", "Timeout", "StartPeriod", "StartInterval", "Retries"] as const;

function sameList(a: readonly string[] = [], b: readonly string[] = []): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index]);
}

function sameSet(a: ReadonlySet<string> = new Set(), b: ReadonlySet<string> = new Set()): boolean {
  return a.size === b.size && a.isSubsetOf(b);
}

function sameMap(a: ReadonlyMap<string, string> = new Map(), b: ReadonlyMap<string, string> = new Map()): boolean {
  return a.size === b.size && [...a].every(([key, value]) => b.get(key) === value);
}

function sameHealthcheck(a: Healthcheck | undefined, b: Healthcheck | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return sameList(a.Test, b.Test) && DURATIONS.every((field) => (a[field] ?? 0) === (b[field] ?? 0));
}

type Field = keyof ContainerConfig;

function checks<F extends Field>(
  fields: readonly F[],
  isSame: (a: ContainerConfig[F], b: ContainerConfig[F]) => boolean,
): (readonly [Field, (a: ContainerConfig, b: ContainerConfig) => boolean])[] {
  return fields.map((field) => [field, (a, b) => isSame(a[field], b[field])] as const);
}

/** The fields that are compared, and how. Cheap and telling ones come first. */
const CHECKS = [
  ...checks(["StopTimeout"], (a, b) => a === b),
  ...checks(TEXTS, (a, b) => (a ?? "") === (b ?? "")),
  ...checks(FLAGS, (a, b) => (a ?? false) === (b ?? false)),
  ...checks(LISTS, sameList),
  ...checks(SETS, sameSet),
  ...checks(["Labels"], sameMap),
  ...checks(["Healthcheck"], sameHealthcheck),
];

/**
 * Compares two container configs as the image cache of Docker 23.0.10 and later does. Absent and empty fields are equal; the
 * order of lists matters, that of maps does not. Configs with `OpenStdin` are never equal, because the image then depends on
 * what the process read. `Hostname`, `Domainname`, `Image`, `MacAddress` and unknown fields are ignored.
 *
 * @example
 * equalConfigs({ Env: [] }, {}); // true
 */
export function equalConfigs(a: ContainerConfig, b: ContainerConfig): boolean {
  return a.OpenStdin !== true && b.OpenStdin !== true && CHECKS.every(([, isSame]) => isSame(a, b));
}

/** Returns the fields for which `equalConfigs` says that two configs differ. */
export function differingFields(a: ContainerConfig, b: ContainerConfig): Field[] {
  const isOpen = a.OpenStdin === true || b.OpenStdin === true;
  const differing = CHECKS.filter(([, isSame]) => !isSame(a, b)).map(([field]) => field);
  return isOpen ? [...differing, "OpenStdin"] : differing;
}
