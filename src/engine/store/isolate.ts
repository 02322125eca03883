import { unshareMounts } from "../../linux/index.ts";

/**
 * Moves this process into a mount namespace of its own, so that no mount a build makes outlives it, however it ends. To be
 * called first of all, before anything was read asynchronously. Returns false where that is too late or not permitted: then a
 * guard, a shell that waits for the end of this process, detaches what builds have mounted.
 */
export function isolateMounts(): boolean {
  return unshareMounts().state === "private";
}
