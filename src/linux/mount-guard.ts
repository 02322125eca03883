import { spawn } from "node:child_process";
import type { Socket } from "node:net";

/** Waits until this process closes the pipe, even by a kill, then detaches the mount points below a directory. */
const SCRIPT = `trap "" HUP INT TERM
read -r _
for point in "$1"/*; do umount -l "$point" && rmdir "$point"; done
rmdir "$1"`;

/**
 * Detaches everything mounted directly below a directory when this process ends, even by a kill: a shell in its own session waits for that.
 * For processes whose mounts do not end with them; see `unshareMounts`. Disposal ends the shell and waits for it. If the shell cannot be
 * started, there is no guard.
 */
export function guardMounts(directory: string): AsyncDisposable {
  const shell = spawn("/bin/sh", ["-c", SCRIPT, "varve-mounts", directory], {
    detached: true,
    cwd: "/",
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
    stdio: ["pipe", "ignore", "ignore"],
  });
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Node makes a socket of a pipe to a child
  const input = shell.stdin as Socket;
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  shell.on("error", () => resolve());
  shell.on("exit", () => resolve());
  input.on("error", () => undefined);
  shell.unref();
  input.unref();
  return {
    [Symbol.asyncDispose]: async () => {
      shell.ref();
      input.end();
      await ended;
    },
  };
}
