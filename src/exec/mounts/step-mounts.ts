import { statSync } from "node:fs";
import { chmod, writeFile } from "node:fs/promises";
import { join, posix } from "node:path";
import { errnoOf, Limits, VarveError } from "../../core/index.ts";
import { Root, showPath, setOwner } from "../../linux/index.ts";
import { forwardAgent } from "./agent.ts";
import type { OciMount } from "../bundle/mounts.ts";
import type { MountStubs } from "./stubs.ts";
import { isWithin, resolveTarget, targetError } from "./target.ts";
import type { RunMount } from "../types.ts";

/** The source of a mount, and the kind of mount point that it needs. */
export interface MountSource {
  readonly target: string;
  readonly kind: "directory" | "file";
  /** Permissions of the mount point, if it has to be created. */
  readonly mode: number;
  readonly mount: Omit<OciMount, "destination">;
}

/** A secret and the name of its file in the tmpfs of the step's mount namespace. */
export interface SecretFile {
  readonly name: string;
  readonly mount: Extract<RunMount, { kind: "secret" }>;
}

export interface SourceContext {
  /** The step's directory, in which sockets are created. */
  readonly directory: string;
  /** The directory of secrets, as the runtime sees it. */
  readonly secretDirectory: string;
  readonly secrets: SecretFile[];
  readonly cleanup: AsyncDisposableStack;
}

/**
 * Prepares the source of a mount.
 * @throws {VarveError} `not-found` for a missing source or agent, `invalid-build` for a subpath that does not exist,
 * `limit-exceeded` for a secret that is too large.
 */
export async function sourceOf(mount: RunMount, context: SourceContext): Promise<MountSource> {
  switch (mount.kind) {
    case "bind":
      return bindSource(mount);
    case "tmpfs":
      return tmpfsSource(mount);
    case "secret":
      return secretSource(mount, context);
    case "ssh": {
      const name = `agent-${crypto.randomUUID()}`;
      const agent = context.cleanup.use(await forwardAgent(context.directory, name, mount));
      return bound(mount.target, agent.path, "file", ["rbind"]);
    }
  }
}

function bound(target: string, source: string, kind: MountSource["kind"], options: readonly string[]): MountSource {
  return { target, kind, mode: 0o755, mount: { type: "bind", source, options } };
}

/**
 * Returns what a bind mount shows.
 * @throws {VarveError} `not-found` if it is missing, `invalid-build` for a subpath that does not exist.
 */
export function boundEntry(mount: Extract<RunMount, { kind: "bind" }>): Pick<MountSource, "kind"> & { source: string } {
  const source = mount.subpath === undefined ? mount.source : insideOf(mount.source, mount.subpath);
  const status = statSync(source, { throwIfNoEntry: false });
  if (status === undefined) throw new VarveError("not-found", `Cannot mount ${source}: it does not exist`);
  return { source, kind: status.isDirectory() ? "directory" : "file" };
}

function bindSource(mount: Extract<RunMount, { kind: "bind" }>): MountSource {
  const { source, kind } = boundEntry(mount);
  return bound(mount.target, source, kind, ["rbind", mount.readonly === true ? "ro" : "rw"]);
}

function insideOf(source: string, subpath: string): string {
  try {
    using root = Root.open(source);
    return join(source, showPath(root.resolve(subpath)));
  } catch (error) {
    const errno = errnoOf(error);
    if (errno !== "ENOENT" && errno !== "ENOTDIR" && errno !== "ELOOP") throw error;
    throw new VarveError("invalid-build", `Cannot mount ${JSON.stringify(subpath)}: not found`, { cause: error });
  }
}

function tmpfsSource({ target, size }: Extract<RunMount, { kind: "tmpfs" }>): MountSource {
  const options = ["nosuid", "mode=1777", ...(size === undefined || size <= 0 ? [] : [`size=${Math.floor(size)}`])];
  return { target, kind: "directory", mode: 0o1777, mount: { type: "tmpfs", source: "tmpfs", options } };
}

/** @throws {VarveError} `limit-exceeded` for a secret that is too large. */
export function checkSecret({ content, target }: Extract<RunMount, { kind: "secret" }>): void {
  if (content.byteLength <= Limits.secret) return;
  throw new VarveError("limit-exceeded", `Cannot mount a secret at ${target}: larger than ${Limits.secret} bytes`);
}

function secretSource(
  mount: Extract<RunMount, { kind: "secret" }>,
  { secrets, secretDirectory }: SourceContext,
): MountSource {
  checkSecret(mount);
  const name = String(secrets.length);
  secrets.push({ name, mount });
  const noexec = ((mount.mode ?? 0o400) & 0o111) === 0 ? ["noexec"] : [];
  return bound(mount.target, posix.join(secretDirectory, name), "file", ["rbind", "ro", "nosuid", "nodev", ...noexec]);
}

/** Writes secrets to `directory`: the path, as seen by this process, of a tmpfs in the step's mount namespace. */
export async function writeSecrets(directory: string, secrets: readonly SecretFile[]): Promise<void> {
  for (const { name, mount } of secrets) {
    const path = join(directory, name);
    await writeFile(path, mount.content, { mode: 0o600, flag: "wx" });
    setOwner(path, mount.uid ?? 0, mount.gid ?? 0);
    await chmod(path, (mount.mode ?? 0o400) & 0o777);
  }
}

/**
 * Finds or creates the mount points of mounts, in the order in which they are mounted. `system` are the destinations that are
 * mounted before them.
 * @throws {VarveError} `invalid-build` for a target that the root filesystem does not allow.
 */
export function placeMounts(
  root: Root,
  sources: readonly MountSource[],
  system: readonly string[],
  stubs: MountStubs,
): OciMount[] {
  const mounted = [...system];
  return sources.map((source) => {
    const destination = placeMount(root, source, mounted, stubs);
    mounted.push(destination);
    return { destination, ...source.mount };
  });
}

function placeMount(root: Root, source: MountSource, mounted: readonly string[], stubs: MountStubs): string {
  const covered = (path: string): boolean => mounted.some((above) => isWithin(path, above));
  return mountPoint(root, source, stubs, covered);
}

/** Finds or creates a mount point, and returns its path. `covered` is as of `resolveTarget`. */
export function mountPoint(
  root: Root,
  source: Pick<MountSource, "target" | "kind" | "mode">,
  stubs: MountStubs,
  covered: (path: string) => boolean,
): string {
  const { kind, mode } = source;
  if (source.target.includes("\0") || source.target.length > Limits.path)
    throw targetError(source.target, "not a path");
  const target = resolveTarget(root, source.target, covered);
  if (target.path === "/") throw targetError(source.target, "it is the root directory");
  switch (target.state) {
    case "covered":
      break;
    case "missing":
      stubs.make(target.path, target.missing, { kind, mode });
      break;
    case "present":
      if (target.directory && kind === "file")
        throw targetError(source.target, "it is a directory, and a file is to be mounted there");
      if (!target.directory && kind === "directory") throw targetError(source.target, "it is not a directory");
      break;
  }
  return target.path;
}
