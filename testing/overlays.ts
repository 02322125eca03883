import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { type TemporaryDirectory, temporaryDirectory } from "../src/io/index.ts";
import { hasCapability, mountOverlay, unmount, unmountSync, unshareMounts } from "../src/linux/index.ts";

// Before libuv's pool starts: mounts that a failing test leaves behind then end with the process.
if (hasCapability("sys_admin")) unshareMounts();

type Mount = Parameters<typeof mountOverlay>[0] & { readonly target: string };

/** One overlay after another, each over all that came before. */
export class OverlayStack implements AsyncDisposable {
  readonly #directory: TemporaryDirectory;
  readonly #mounts: Mount[] = [];
  #count = 0;
  /** Directories of the layers, lowest first; all but the first are upper directories. */
  readonly layers: string[];
  /** The whole tree as it is now. */
  view: string;
  /** The overlays are mounted with `userxattr`, as in a user namespace. */
  readonly userXattr: boolean;

  private constructor(directory: TemporaryDirectory, userXattr: boolean) {
    this.#directory = directory;
    this.userXattr = userXattr;
    this.view = this.make("base");
    this.layers = [this.view];
  }

  static async open({ userXattr = false }: { readonly userXattr?: boolean } = {}): Promise<OverlayStack> {
    return new OverlayStack(await temporaryDirectory("varve-overlays-"), userXattr);
  }

  /** A new empty directory beside the others. */
  make(name: string): string {
    const path = join(this.#directory.path, name);
    mkdirSync(path);
    return path;
  }

  /** Puts a writable layer, empty or unpacked already, on top; what is below stays as it is, also in its own views. */
  push(upper: string = this.make(`upper${this.#count}`)): { lower: string; upper: string; view: string } {
    const lower = this.view;
    this.#count += 1;
    const mount: Mount = {
      lower: [...this.layers].reverse(),
      upper,
      work: this.make(`work${this.#count}`),
      target: this.make(`view${this.#count}`),
      userXattr: this.userXattr,
    };
    mountOverlay(mount);
    this.#mounts.push(mount);
    this.layers.push(upper);
    this.view = mount.target;
    return { lower, upper, view: mount.target };
  }

  /**
   * Mounts the topmost view again, so that it shows its files as whoever mounts it later sees them. A symlink, device or pipe of
   * a mount with `userxattr` cannot carry the mark of its origin: where it was copied up to get a second name, the two names
   * have the same inode number only after the kernel has forgotten the first.
   */
  refresh(): void {
    const mount = this.#mounts.at(-1);
    if (mount === undefined) return;
    unmountSync(mount.target);
    mountOverlay(mount);
  }

  /** Unmounts the topmost view; its layer stays in its directory. */
  pop(): void {
    const mount = this.#mounts.pop();
    if (mount === undefined) return;
    unmountSync(mount.target);
    this.layers.pop();
    this.view = this.#mounts.at(-1)?.target ?? (this.layers[0] as string);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { target } of this.#mounts.toReversed()) await unmount(target, { detach: true });
    await this.#directory[Symbol.asyncDispose]();
  }
}

/** Skips the test, loudly, where overlays cannot be mounted and owners and devices not be made. */
export function needsRoot(t: TestContext): boolean {
  if (hasCapability("sys_admin") && hasCapability("mknod") && hasCapability("chown")) return true;
  t.skip("needs root: it mounts overlays and makes devices");
  return false;
}
