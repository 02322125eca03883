import { join } from "node:path";
import { sh } from "./varve.ts";

/** The real `buildah` with a storage of its own below a folder, that mounts nothing: whoever removes the folder removes all. */
export class Buildah {
  readonly #storage: readonly string[];

  constructor(folder: string) {
    const parts = ["--root", join(folder, "buildah"), "--runroot", join(folder, "buildah-run")];
    this.#storage = [...parts, "--storage-driver", "vfs"];
  }

  /** Runs a command, with its subcommand first; throws with all that was printed if it fails. */
  async run(...args: readonly string[]): Promise<string> {
    return await sh("buildah", ...this.#storage, ...args);
  }

  /** A container of an image, which is named as for `skopeo`. Returns its name. */
  async from(image: string, ...flags: readonly string[]): Promise<string> {
    return (await this.run("from", "--quiet", ...flags, image)).trim();
  }

  /** Runs a program in a container; returns what it prints. */
  async exec(container: string, ...command: readonly string[]): Promise<string> {
    return await this.run("run", "--isolation=chroot", container, "--", ...command);
  }

  /** The directory of a container's files. */
  async tree(container: string): Promise<string> {
    return (await this.run("mount", container)).trim();
  }
}
