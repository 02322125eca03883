import { libcCall } from "./libc.ts";
import { cstring, type Path, showPath } from "./path.ts";

const mount2 = libcCall("mount", ["void *", "void *", "void *", "ulong", "void *"], "int", "mount");
const umount2 = libcCall("umount2", ["void *", "int"]);

/** Flags of mount(2), to be or-ed. */
export const MountFlag = {
  readonly: 0x1,
  nosuid: 0x2,
  nodev: 0x4,
  noexec: 0x8,
  remount: 0x20,
  noatime: 0x400,
  bind: 0x1000,
  move: 0x2000,
  recursive: 0x4000,
  private: 0x4_0000,
  slave: 0x8_0000,
} as const;

const MNT_DETACH = 2;
const UMOUNT_NOFOLLOW = 8;

export interface MountOptions {
  readonly source?: Path | undefined;
  readonly target: Path;
  readonly type?: string | undefined;
  /** `MountFlag`s. */
  readonly flags?: number | undefined;
  /** The filesystem's own options, comma-separated; at most a page. */
  readonly data?: Path | undefined;
}

const orNull = (path: Path | undefined): Buffer | null => (path === undefined ? null : cstring(path));

/** mount(2). Needs CAP_SYS_ADMIN. */
export function mount({ source, target, type, flags = 0, data }: MountOptions): void {
  const subject = source === undefined ? { path: target } : { path: source, dest: target };
  mount2(subject, orNull(source), cstring(target), orNull(type), flags, orNull(data));
}

/** Makes `source`, and what is mounted below it, appear at `target`. */
export function bindMount(
  source: Path,
  target: Path,
  { readonly = false }: { readonly readonly?: boolean | undefined } = {},
): void {
  mount({ source, target, flags: MountFlag.bind | MountFlag.recursive });
  if (!readonly) return;
  try {
    mount({ target, flags: MountFlag.bind | MountFlag.remount | MountFlag.readonly });
  } catch (error) {
    umount2.attempt(cstring(target), MNT_DETACH);
    throw error;
  }
}

/**
 * Unmounts what is at `target`, off the main thread: the kernel may write out the filesystem first. Throws EBUSY while it is
 * in use; with `detach` it leaves the tree at once and ends when its last user does. A link at `target` is not followed.
 */
export async function unmount(
  target: Path,
  { detach = false }: { readonly detach?: boolean | undefined } = {},
): Promise<void> {
  await umount2.async({ path: target }, cstring(target), UMOUNT_NOFOLLOW | (detach ? MNT_DETACH : 0));
}

/** As `unmount`, on this thread, for a process that is about to end. */
export function unmountSync(target: Path, { detach = false }: { readonly detach?: boolean | undefined } = {}): void {
  umount2({ path: showPath(target) }, cstring(target), UMOUNT_NOFOLLOW | (detach ? MNT_DETACH : 0));
}
