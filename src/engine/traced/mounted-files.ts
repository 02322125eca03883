import type { Digest } from "../../core/index.ts";
import {
  type LayerEntry,
  type StepTraces,
  type TracedMounts,
  type TracedTable,
  type TreeChange,
  compareStacks,
  stackLayers,
} from "../../traced/index.ts";

/** What a step has mounted. Paths are absolute in what is mounted: `/` is the mount itself. */
export interface MountedFiles {
  /** Where the step has it. */
  readonly target: string;
  /** The content key. */
  readonly content: Digest;
  /** Returns all entries; undefined if they are not known, or too many. */
  readonly files: () => readonly LayerEntry[] | undefined;
}

/** The bind mounts of a step, to compare them with those of earlier runs. */
export interface ComparedMounts {
  /** Identifies the inputs that are neither the root nor bind mounts. */
  readonly rest: string;
  /** In the order of the op. */
  readonly mounts: readonly MountedFiles[];
}

/** How a mount differs from that of an earlier run, and what that run has seen of it. */
export interface MountDifferences {
  readonly target: string;
  readonly changes: readonly TreeChange[];
  readonly traces: StepTraces;
}

/** Returns whether the mounts of a step can be compared with those of an earlier run. */
export function areComparable(before: TracedMounts | undefined, now: ComparedMounts | undefined): boolean {
  return before !== undefined && before.rest === now?.rest && before.mounts.length === now.mounts.length;
}

/** Returns how mounts differ from those of an earlier run; undefined if that is not known. */
export function mountDifferences(
  before: TracedMounts,
  now: ComparedMounts,
  table: TracedTable,
): MountDifferences[] | undefined {
  const all: MountDifferences[] = [];
  for (const [at, { content, traces }] of before.mounts.entries()) {
    const mount = now.mounts[at];
    if (mount === undefined) return undefined;
    const { target } = mount;
    if (mount.content === content) continue;
    const [then, files] = [table.mountedFiles(content), mount.files()];
    if (then === undefined || files === undefined) return undefined;
    all.push({ target, changes: [...compareStacks(stackLayers([then]), stackLayers([files]))], traces });
  }
  return all;
}

/** Returns mounts with what a run has seen of them, and remembers what is in them. Undefined if that is not known. */
export function keepMounts(
  { rest, mounts }: ComparedMounts,
  traces: readonly StepTraces[],
  table: TracedTable,
): TracedMounts | undefined {
  const kept = mounts.flatMap(({ content, files }, at) => {
    const seen = traces[at];
    const entries = seen === undefined ? undefined : (table.mountedFiles(content) ?? files());
    if (seen === undefined || entries === undefined) return [];
    table.keepMounted(content, entries);
    return [{ content, traces: seen }];
  });
  return kept.length === mounts.length && kept.length === traces.length ? { rest, mounts: kept } : undefined;
}
