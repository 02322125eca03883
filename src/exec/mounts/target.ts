import { fstatSync, readlinkSync } from "node:fs";
import { posix } from "node:path";
import { VarveError } from "../../core/index.ts";
import { joinPath, type Root } from "../../linux/index.ts";

/** The kernel's own limit on symbolic links in one path: path_resolution(7). */
const MAX_LINKS = 40;

/** A resolved mount point. `path` is absolute inside the root filesystem, and no existing part of it is a symbolic link. */
export type Target =
  /** The path exists. */
  | { readonly state: "present"; readonly path: string; readonly directory: boolean }
  /** `missing` does not exist. It is a prefix of `path`, or all of it. */
  | { readonly state: "missing"; readonly path: string; readonly missing: string }
  /** The path lies below an earlier mount. The runtime resolves and creates it. */
  | { readonly state: "covered"; readonly path: string };

/**
 * Resolves `target` in a root filesystem, following symbolic links as a process inside would. `covered` returns true for paths
 * below earlier mounts.
 * @throws {VarveError} `invalid-build` if a parent is not a directory, or for too many symbolic links.
 */
export function resolveTarget(root: Root, target: string, covered: (path: string) => boolean): Target {
  const pending = posix.join("/", target).split("/").filter(Boolean);
  const done: string[] = [];
  let links = 0;
  for (let name = pending.shift(); name !== undefined; name = pending.shift()) {
    if (name === "." || name === "") continue;
    if (name === "..") {
      done.pop();
      continue;
    }
    const here = `/${[...done, name].join("/")}`;
    const rest = posix.join(here, ...pending);
    if (covered(here)) return { state: "covered", path: rest };
    const found = inspect(root, done, name);
    const missing = found.kind === "missing";
    if (missing && isWithin(rest, here)) return { state: "missing", path: rest, missing: here };
    if (missing || found.kind === "link") links += 1;
    if (links > MAX_LINKS) throw targetError(target, "too many levels of symbolic links");
    if (missing) {
      // The rest leads out of the missing directory by "..": resolve it as if the directory existed.
      done.length = 0;
      pending.splice(0, Infinity, ...rest.split("/"));
      continue;
    }
    if (found.kind === "link") {
      if (found.to.startsWith("/")) done.length = 0;
      pending.unshift(...found.to.split("/"));
      continue;
    }
    const last = pending.every((part) => part === "" || part === ".");
    if (found.kind === "file" && !last) throw targetError(target, `${here} is not a directory`);
    done.push(name);
    if (found.kind === "file") return { state: "present", path: here, directory: false };
  }
  return { state: "present", path: `/${done.join("/")}`, directory: true };
}

/** True if `path` is `directory` or below it. Both are absolute and normalized. */
export function isWithin(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory === "/" ? "/" : `${directory}/`);
}

type Entry = { readonly kind: "missing" | "directory" | "file" } | { readonly kind: "link"; readonly to: string };

function inspect(root: Root, above: readonly string[], name: string): Entry {
  using found = root.find(joinPath(above.join("/"), name), { follow: false });
  if (found === undefined) return { kind: "missing" };
  const status = fstatSync(found.fd);
  if (status.isDirectory()) return { kind: "directory" };
  if (!status.isSymbolicLink()) return { kind: "file" };
  using directory = root.open(above.join("/"));
  return { kind: "link", to: readlinkSync(joinPath(directory.path, name), "utf8") };
}

/** The error for a mount target that a root filesystem does not allow. */
export function targetError(target: string, why: string): VarveError {
  return new VarveError("invalid-build", `Cannot mount at ${JSON.stringify(target.slice(0, 300))}: ${why}`);
}
