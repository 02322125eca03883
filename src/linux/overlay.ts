import { errnoOf } from "../core/index.ts";
import { type Path, bytesOfPath, cstring } from "./path.ts";
import { closeSync, constants, openSync, readSync } from "node:fs";
import { Errno, type SystemError, systemError } from "./errno.ts";
import { systemCall } from "./libc.ts";
import { MountFlag, mount, unmountSync } from "./mount.ts";

const fsopen = systemCall("fsopen", 430, ["void *", "uint"]);
const fsconfig = systemCall("fsconfig", 431, ["int", "uint", "void *", "void *", "int"]);
const fsmount = systemCall("fsmount", 432, ["int", "uint", "uint"]);
const moveMount = systemCall("move_mount", 429, ["int", "void *", "int", "void *", "uint"]);

const FSOPEN_CLOEXEC = 1;
const FSMOUNT_CLOEXEC = 1;
const FSCONFIG_SET_FLAG = 0;
const FSCONFIG_SET_STRING = 1;
const FSCONFIG_CMD_CREATE = 6;
const MOVE_MOUNT_F_EMPTY_PATH = 4;
const MOUNT_ATTR_RDONLY = 1;
const AT_FDCWD = -100;
const O_PATH = 0x20_0000;
/** The kernel's limit on one value given to fsconfig. */
const MAX_VALUE = 255;
/** The kernel's limit on the options of mount(2): one page with its NUL. */
const MAX_DATA = 4095;

/**
 * An overlay filesystem. The options are chosen so that the upper directory stays a plain record of what changed:
 * whiteouts as 0:0 character devices, the attribute `overlay.opaque` on replaced directories, whole files, no redirects.
 */
export interface OverlayOptions {
  /** Lower directories, top first; 1 to 500. */
  readonly lower: readonly Path[];
  /** Absent for a read-only overlay, which needs two lower directories. */
  readonly upper?: Path | undefined;
  /** An empty directory on the filesystem of `upper`; required with it. */
  readonly work?: Path | undefined;
  readonly target: Path;
  /**
   * Skips every sync of the upper filesystem, also at unmount and for the fsync of processes inside. Nothing is lost when
   * a process dies; after a crash of the machine, discard the upper directory. The kernel refuses to mount it
   * again until `<work>/work/incompat/volatile` is removed. Needs Linux 5.10; ignored by older ones.
   */
  readonly volatile?: boolean | undefined;
  /**
   * Keeps overlayfs's attributes as `user.overlay.*` instead of `trusted.overlay.*`, which only the machine's root can set: for user
   * namespaces. There are no redirects and no partial copies then either. Needs Linux 5.11. Default: false.
   */
  readonly userXattr?: boolean | undefined;
}

type Options = readonly (readonly [key: string, value?: Path])[];

/** Mounts an overlay at `target`. Throws ENOSYS or EINVAL-like `SystemError`s where the kernel cannot. */
export function mountOverlay(options: OverlayOptions): void {
  using held = new Descriptors();
  const made = makeOverlay(options, held);
  if (made === undefined) return mountClassic(options);
  moveMount({ path: options.target }, made, cstring(""), AT_FDCWD, cstring(options.target), MOVE_MOUNT_F_EMPTY_PATH);
}

/** Throws what `mountOverlay` would, but leaves nothing mounted; where the kernel supports it, the mount never appears at `target`. */
export function tryOverlay(options: OverlayOptions): void {
  using held = new Descriptors();
  if (makeOverlay(options, held) !== undefined) return;
  mountClassic(options);
  unmountSync(options.target);
}

/** Makes a detached mount, held by its descriptor; undefined where only mount(2) supports overlays. */
function makeOverlay(options: OverlayOptions, held: Descriptors): number | undefined {
  const fd = fsopen.attempt(cstring("overlay"), FSOPEN_CLOEXEC);
  if (fd === -Errno.ENOSYS || fd === -Errno.EPERM) return undefined;
  if (fd < 0) throw systemError(-fd, "fsopen", "overlay");
  held.add(fd);
  return makeNew(fd, options, held);
}

/** With `userxattr`, the kernel follows no redirects and makes no partial copies. Some refuse a redirect_dir beside it, even "off". */
const USER_XATTR: Options = [["userxattr"]];
const TRUSTED_XATTR: Options = [
  ["index", "off"],
  ["metacopy", "off"],
  ["redirect_dir", "off"],
];

function commonOptions({ upper, work, volatile = false, userXattr = false }: OverlayOptions): Options {
  const plain = userXattr ? USER_XATTR : TRUSTED_XATTR;
  if (upper === undefined || work === undefined) return plain;
  return [...plain, ["upperdir", upper], ["workdir", work], ...(volatile ? ([["volatile"]] as const) : [])];
}

function makeNew(fs: number, options: OverlayOptions, held: Descriptors): number | undefined {
  const lower: Options = options.lower.map((path) => ["lowerdir+", path]);
  for (const [key, value] of [["source", "overlay"] as const, ...lower, ...commonOptions(options)]) {
    const failure = configure(fs, key, value, held);
    if (failure === 0 || (failure === Errno.EINVAL && key === "volatile")) continue;
    // Before Linux 6.7 the lower directories can only be given together.
    if (failure === Errno.EINVAL && key === "lowerdir+") return undefined;
    throw explained(systemError(failure, "fsconfig", value ?? key), fs);
  }
  const created = fsconfig.attempt(fs, FSCONFIG_CMD_CREATE, null, null, 0);
  if (created < 0) throw explained(systemError(-created, "mount", options.target), fs);
  const mounted = fsmount(
    { path: options.target },
    fs,
    FSMOUNT_CLOEXEC,
    options.upper === undefined ? MOUNT_ATTR_RDONLY : 0,
  );
  held.add(mounted);
  return mounted;
}

/** Returns 0 or the errno. A path that is too long for the call is held open and named by its descriptor. */
function configure(fs: number, key: string, value: Path | undefined, held: Descriptors): number {
  if (value === undefined) return -fsconfig.attempt(fs, FSCONFIG_SET_FLAG, cstring(key), null, 0);
  const short = Buffer.byteLength(value) <= MAX_VALUE ? value : held.name(value);
  return -fsconfig.attempt(fs, FSCONFIG_SET_STRING, cstring(key), cstring(short), 0);
}

/** Adds what the kernel wrote to the context's log: "overlay: No changes allowed in …". */
function explained(error: SystemError, fs: number): SystemError {
  const log = Buffer.alloc(1024);
  try {
    const text = log.toString("utf8", 0, readSync(fs, log)).trim();
    if (text !== "") error.message += ` (${text})`;
  } catch {
    // The log is empty.
  }
  return error;
}

/**
 * mount(2), for kernels without the calls above. Its options must fit in a page, so directories are named by descriptors if
 * their paths are too long.
 */
export function mountClassic(options: OverlayOptions): void {
  using held = new Descriptors();
  const direct = data(options, (path) => path);
  const packed = direct.length <= MAX_DATA ? direct : data(options, (path) => held.name(path));
  if (packed.length > MAX_DATA) throw systemError(Errno.E2BIG, "mount", options.target);
  const flags = options.upper === undefined ? MountFlag.readonly : 0;
  try {
    mount({ source: "overlay", target: options.target, type: "overlay", data: packed, flags });
  } catch (error) {
    if (options.volatile !== true || errnoOf(error) !== "EINVAL") throw error;
    mountClassic({ ...options, volatile: false });
  }
}

function data(options: OverlayOptions, name: (path: Path) => Path): Buffer {
  const bytes = (path: Path, inList = false): Buffer => escape(bytesOfPath(path), inList);
  const lower = options.lower.flatMap((path, index) => [Buffer.from(index === 0 ? "" : ":"), bytes(name(path), true)]);
  const rest = commonOptions(options).flatMap(([key, value]) => {
    if (value === undefined) return [Buffer.from(`,${key}`)];
    return [Buffer.from(`,${key}=`), bytes(DIRECTORIES.has(key) ? name(value) : value)];
  });
  return Buffer.concat([Buffer.from("lowerdir="), ...lower, ...rest]);
}

/** The options that name a directory. */
const DIRECTORIES: ReadonlySet<string> = new Set(["upperdir", "workdir"]);

/** The separators of the option string are escaped by a backslash. */
function escape(path: Buffer, inList: boolean): Buffer {
  return Buffer.from(path.toString("latin1").replace(inList ? /[\\,:]/g : /[\\,]/g, "\\$&"), "latin1");
}

/** Descriptors that are closed together. */
class Descriptors implements Disposable {
  readonly #fds: number[] = [];

  add(fd: number): void {
    this.#fds.push(fd);
  }

  /** A short name of a directory, good while this is held. */
  name(path: Path): string {
    const fd = openSync(path, O_PATH | constants.O_DIRECTORY);
    this.add(fd);
    return `/proc/self/fd/${fd}`;
  }

  [Symbol.dispose](): void {
    for (const fd of this.#fds.splice(0)) closeSync(fd);
  }
}
