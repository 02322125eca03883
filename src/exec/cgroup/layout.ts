import { readFileSync } from "node:fs";
import { posix } from "node:path";

/** One mounted hierarchy of control groups. */
export interface CgroupHierarchy {
  readonly version: 1 | 2;
  /** For example "memory" and "cpu"; "name=systemd" for a named hierarchy without controllers. */
  readonly controllers: readonly string[];
  readonly mountPoint: string;
  /** Directory of this process's own group. */
  readonly own: string;
}

/** The control group hierarchies that this process can see. */
export interface CgroupLayout {
  readonly kind: "none" | "v1" | "v2" | "hybrid";
  readonly hierarchies: readonly CgroupHierarchy[];
}

interface Mounted {
  readonly version: 1 | 2;
  readonly root: string;
  readonly mountPoint: string;
  readonly options: readonly string[];
}

/** Parses the control group hierarchies: cgroups(7), proc(5). The texts default to this process's files in /proc. */
export function readCgroupLayout(
  mountInfo: string = readFileSync("/proc/self/mountinfo", "utf8"),
  membership: string = readFileSync("/proc/self/cgroup", "utf8"),
  readControllers: (mountPoint: string) => string = unifiedControllers,
): CgroupLayout {
  const members = membership.split("\n").flatMap((line) => parseMember(line) ?? []);
  const hierarchies = parseMounts(mountInfo).flatMap((mounted): CgroupHierarchy[] => {
    const member = members.find((item) => belongs(mounted, item.controllers));
    if (member === undefined) return [];
    const controllers =
      mounted.version === 2 ? readControllers(mounted.mountPoint).split(/\s+/).filter(Boolean) : member.controllers;
    return [
      {
        version: mounted.version,
        controllers,
        mountPoint: mounted.mountPoint,
        own: ownDirectory(mounted, member.path),
      },
    ];
  });
  return { kind: kindOf(hierarchies), hierarchies };
}

function kindOf(hierarchies: readonly CgroupHierarchy[]): CgroupLayout["kind"] {
  const versions = new Set(hierarchies.map((hierarchy) => hierarchy.version));
  if (versions.size === 2) return "hybrid";
  if (versions.has(2)) return "v2";
  return versions.has(1) ? "v1" : "none";
}

function parseMounts(text: string): Mounted[] {
  const byPoint = new Map<string, Mounted>();
  for (const line of text.split("\n")) {
    const fields = line.split(" ");
    const dash = fields.indexOf("-", 6);
    const mountPoint = unescapePath(fields[4] ?? "");
    // A later mount hides an earlier one at the same mount point.
    byPoint.delete(mountPoint);
    const type = dash < 0 ? undefined : fields[dash + 1];
    if (type !== "cgroup" && type !== "cgroup2") continue;
    byPoint.set(mountPoint, {
      version: type === "cgroup" ? 1 : 2,
      root: unescapePath(fields[3] ?? "/"),
      mountPoint,
      options: (fields[dash + 3] ?? "").split(","),
    });
  }
  return [...byPoint.values()];
}

function unescapePath(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_all, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

interface Member {
  readonly controllers: readonly string[];
  readonly path: string;
}

function parseMember(line: string): Member | undefined {
  const match = /^\d+:([^:]*):(\/.*)$/.exec(line);
  if (match === null) return undefined;
  return { controllers: (match[1] ?? "").split(",").filter(Boolean), path: match[2] ?? "/" };
}

function belongs(mounted: Mounted, controllers: readonly string[]): boolean {
  if (mounted.version === 2) return controllers.length === 0;
  return controllers.length > 0 && controllers.every((name) => mounted.options.includes(name));
}

/** A mount may show only a subtree of the hierarchy, but paths in /proc/self/cgroup start at the hierarchy's root. */
function ownDirectory({ root, mountPoint }: Mounted, path: string): string {
  const below = posix.relative(root, path);
  return below.startsWith("..") ? mountPoint : posix.join(mountPoint, below);
}

function unifiedControllers(mountPoint: string): string {
  try {
    return readFileSync(posix.join(mountPoint, "cgroup.controllers"), "utf8");
  } catch {
    return "";
  }
}
