import { spawn } from "node:child_process";
import type { Socket } from "node:net";

/** Reads until this process closes the pipe, by whatever end; mount points are below a directory, one by one. */
const SCRIPT = `trap "" HUP INT TERM
read -r _
for point in "$1"/*; do umount -l "$point" && rmdir "$point"; done
rmdir "$1"`;

/**
 * Has what is mounted directly below a directory detached when this process ends, even by a kill: by a shell in a session of its
 * own, which waits for that. For a process whose mounts do not end with it, see `unshareMounts`. Disposal ends the shell, and
 * waits for its end. Where it cannot be started, there is no guard.
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
