import { VarveError } from "../core/index.ts";

/** How a command of an ordinary user is isolated from the machine. Root needs nothing of it. */
const ISOLATION_MODES = ["auto", "userns", "userns-single", "none"] as const;

/**
 * - `auto`: as `userns` where that is possible, else as `none`;
 * - `userns`: in a user namespace with the user's subordinate ids;
 * - `userns-single`: in a user namespace with the user's own id, as root, and no other;
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
