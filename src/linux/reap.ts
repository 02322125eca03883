import { libcCall } from "./libc.ts";

const waitid = libcCall("waitid", ["int", "uint", "void *", "int"]);
const P_ALL = 0;
const P_PID = 1;
const WNOHANG = 1;
const WEXITED = 4;
const WNOWAIT = 0x0100_0000;
/** Bytes of `siginfo_t`, and the offset of `si_pid` in it. */
const [SIGINFO, PID] = [128, 16];

/**
 * Removes children of this process that have ended, up to the first one whose parent Node knows: `known` returns true for those, and libuv
 * waits for them. Returns false if there are no children at all.
 */
export function reapAdopted(known: (pid: number) => boolean): boolean {
  for (;;) {
    const found = Buffer.alloc(SIGINFO);
    if (waitid.attempt(P_ALL, 0, found, WEXITED | WNOHANG | WNOWAIT) < 0) return false;
    const pid = found.readInt32LE(PID);
    if (pid === 0 || known(pid)) return true;
    waitid.attempt(P_PID, pid, found, WEXITED | WNOHANG);
  }
}
