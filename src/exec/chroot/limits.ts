import { VarveError } from "../../core/index.ts";
import { supportedLimits } from "../cgroup/resources.ts";
import type { RunSpec } from "../types.ts";

/** What needs namespaces or mounts, so that no step in a chroot can have it. */
const IMPOSSIBLE: readonly (readonly [what: string, asked: (spec: RunSpec) => boolean])[] = [
  ["without a network", ({ network }) => network === "none"],
  ["with a proxy of its own", ({ proxy }) => proxy !== undefined],
  ["without a sandbox", ({ security }) => security === "insecure"],
  ["with a terminal", ({ terminal }) => terminal === true],
  ["with devices", ({ devices = [], edits }) => devices.length > 0 || edits !== undefined],
];
const HINT = "Run it where namespaces are allowed: `varve doctor` says what forbids them.";

/** @throws {VarveError} `unsupported` for a step that needs what a chroot cannot give. */
export function checkPossible(spec: RunSpec): void {
  for (const [what, isAsked] of IMPOSSIBLE) {
    if (isAsked(spec))
      throw new VarveError("unsupported", `Cannot run a step ${what}: it is isolated by a chroot only`, { hint: HINT });
  }
}

/** Warns of what is asked for, and left out. */
export function warnOfMissing(spec: RunSpec): void {
  const warn = (message: string): void => spec.onWarning?.(message);
  supportedLimits(spec.limits ?? {}, { kind: "none", hierarchies: [] }, warn);
  const sized = spec.shmSize !== undefined || spec.mounts?.some((mount) => mount.kind === "tmpfs" && mount.size);
  if (sized === true) warn("Cannot limit the size of temporary filesystems: steps in a chroot have directories");
}
