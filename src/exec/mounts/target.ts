import { fstatSync, readlinkSync } from "node:fs";
import { posix } from "node:path";
import { VarveError } from "../../core/index.ts";
import { joinPath, type Root } from "../../linux/index.ts";

/** As the kernel's own limit on symbolic links in one path. */
const MAX_LINKS = 40;

/** Where a mount point is: `path` is absolute inside the root filesystem, and no part of it that exists is a link. */
export type Target =
  /** It exists. */
  | { readonly state: "present"; readonly path: string; readonly directory: boolean }
  /** Nothing is there, from `missing` (a prefix of `path`, or all of it) downwards. */
  | { readonly state: "missing"; readonly path: string; readonly missing: string }
  /** It lies in something that is mounted before it, and is the runtime's to find and to make. */
  | { readonly state: "covered"; readonly path: string };

/**
 * Follows `target` through a root filesystem, links included, as a process inside would. `covered` says which paths other
 * mounts have hidden. Throws `invalid-build` where the way leads through something that is no directory.
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
    if (links > MAX_LINKS) throw refusal(target, "too many levels of symbolic links");
    if (missing) {
      // A link has led through what does not exist and up again: as if it did.
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
    if (found.kind === "file" && !last) throw refusal(target, `${here} is not a directory`);
    done.push(name);
    if (found.kind === "file") return { state: "present", path: here, directory: false };
  }
  return { state: "present", path: `/${done.join("/")}`, directory: true };
}

/** True if `path` is `directory` or below it; both absolute and normal. */
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

function refusal(target: string, why: string): VarveError {
  return new VarveError("invalid-build", `Cannot mount at ${JSON.stringify(target)}: ${why}`);
}
