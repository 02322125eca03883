import { VarveError } from "../core/index.ts";

/** How a command is isolated from the machine. Root needs nothing of it where it may make namespaces. */
const ISOLATION_MODES = ["auto", "userns", "userns-single", "chroot", "none"] as const;

/**
 * - `auto`: as `userns` where that is possible, else as `none`;
 * - `userns`: in a user namespace with the user's subordinate ids;
 * - `userns-single`: in a user namespace with the user's own id, as root, and no other;
 * - `chroot`: in this process, whose steps are isolated by a chroot: for root in a container that may make no namespaces;
 * - `none`: in this process, which can run no steps and cannot keep owners.
 */
export type IsolationMode = (typeof ISOLATION_MODES)[number];

/** @throws {VarveError} `invalid-argument` for an unknown mode */
export function parseIsolationMode(text: string): IsolationMode {
  const mode = ISOLATION_MODES.find((each) => each === text);
  if (mode !== undefined) return mode;
  const known = ISOLATION_MODES.join(", ");
  throw new VarveError("invalid-argument", `Cannot use isolation ${JSON.stringify(text)}: expected ${known}`);
}

/**
 * What keeps steps apart from the machine:
 * - `namespaces`: in a container of crun or runc;
 * - `chroot`: with another root directory and fewer capabilities only, where this process may make no namespaces. Steps are not isolated
 *   from each other, nor from the network and the processes of this container.
 */
export type StepIsolation = "namespaces" | "chroot";

export const STEP_ISOLATIONS: readonly StepIsolation[] = ["namespaces", "chroot"];
