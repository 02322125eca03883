import type { CdiSpec, ContainerEdits } from "./types.ts";

/** The released versions of the specification, oldest first. */
const VERSIONS = ["0.1.0", "0.2.0", "0.3.0", "0.4.0", "0.5.0", "0.6.0", "0.7.0", "0.8.0", "1.0.0", "1.1.0"] as const;
type Version = (typeof VERSIONS)[number];

/** What came with a version, newest first. */
const FEATURES: readonly (readonly [since: Version, uses: (spec: CdiSpec) => boolean])[] = [
  ["1.1.0", (spec) => anyEdits(spec, ({ netDevices }) => netDevices.length > 0)],
  [
    "1.1.0",
    (spec) => anyEdits(spec, ({ intelRdt: rdt }) => rdt?.schemata !== undefined || rdt?.enableMonitoring === true),
  ],
  [
    "0.7.0",
    (spec) => anyEdits(spec, ({ intelRdt, additionalGids }) => intelRdt !== undefined || additionalGids.length > 0),
  ],
  ["0.6.0", ({ annotations, devices }) => [annotations, ...devices.map((each) => each.annotations)].some(hasAny)],
  ["0.6.0", ({ kind }) => kind.slice(kind.indexOf("/")).includes(".")],
  ["0.5.0", ({ devices }) => devices.some(({ name }) => /^\d/.test(name))],
  ["0.5.0", (spec) => anyEdits(spec, ({ deviceNodes }) => deviceNodes.some(({ hostPath }) => hostPath !== undefined))],
  ["0.4.0", (spec) => anyEdits(spec, ({ mounts }) => mounts.some(({ type }) => type !== undefined))],
  ["0.3.0", () => true],
];

function anyEdits({ edits, devices }: CdiSpec, test: (edits: ContainerEdits) => boolean): boolean {
  return [edits, ...devices.map((device) => device.edits)].some(test);
}

function hasAny({ size }: ReadonlyMap<string, string>): boolean {
  return size > 0;
}

/** Returns what is wrong with the version that a file claims; undefined if it has all that the file uses. */
export function versionProblem(given: string, spec: CdiSpec): string | undefined {
  const at = VERSIONS.findIndex((version) => version === given.replace(/^v/, ""));
  if (at < 0) return `version ${JSON.stringify(given)} is not known`;
  const needed = FEATURES.find(([, uses]) => uses(spec))?.[0] ?? "0.3.0";
  return at < VERSIONS.indexOf(needed) ? `it uses what came with version ${needed}, and says ${given}` : undefined;
}
