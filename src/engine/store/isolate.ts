import { unshareMounts } from "../../linux/index.ts";

/**
 * Moves this process into a mount namespace of its own, so that no mount of a build outlives the process. Call it before anything
 * else: it has no effect once the process has read a file asynchronously. Returns false if it is too late or not permitted. In
 * that case a guard process, a shell that waits for the end of this process, unmounts what builds have mounted.
 */
export function isolateMounts(): boolean {
  return unshareMounts().state === "private";
}
