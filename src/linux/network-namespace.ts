import { closeSync, openSync } from "node:fs";
import { libcCall } from "./libc.ts";

const unshare = libcCall("unshare", ["int"]);
const setns = libcCall("setns", ["int", "int"]);
const CLONE_NEWNET = 0x4000_0000;
/** Each thread has a namespace of its own. */
const OWN = "/proc/thread-self/ns/net";

/**
 * Makes a network namespace, with an interface `lo` that is down. It exists as long as a process is in it or the returned descriptor, which
 * the caller closes, is open: nothing is left of it when this process ends.
 */
export function createNetworkNamespace(): number {
  return elsewhere(() => {
    unshare({}, CLONE_NEWNET);
    return openSync(OWN, "r");
  });
}

/** Runs `work`, which must not be asynchronous, in a network namespace: sockets that it opens belong to that namespace for ever. */
export function withinNetwork<T>(namespace: number, work: () => T): T {
  return elsewhere(() => {
    setns({}, namespace, CLONE_NEWNET);
    return work();
  });
}

/**
 * Runs `work`, which may change the namespace of this thread, and goes back. Throws EPERM before that if the way back is not allowed: in a
 * user namespace, where the network is that of the machine outside.
 */
function elsewhere<T>(work: () => T): T {
  const home = openSync(OWN, "r");
  try {
    setns({}, home, CLONE_NEWNET);
    try {
      return work();
    } finally {
      setns({}, home, CLONE_NEWNET);
    }
  } finally {
    closeSync(home);
  }
}
