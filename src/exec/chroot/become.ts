import { closeSync, readSync, writeSync } from "node:fs";
import { constants } from "node:os";
import { posix } from "node:path";
import { errnoOf } from "../../core/index.ts";
import {
  Root,
  changeRoot,
  confineTo,
  dieWithParent,
  execute,
  forbidNewPrivileges,
  landlockVersion,
  limitBoundingSet,
  passStandardDescriptors,
  resetSignal,
  setCapabilities,
  setProcessLimit,
} from "../../linux/index.ts";
import { searchPath } from "../process-environment.ts";
import { ORDERS, type StartFailure, type StepOrder, readOrder } from "./order.ts";

/** Bytes read at once. */
const CHUNK = 65_536;
const MAX_ORDER = 16 * 1024 * 1024;
/** As crun and runc, whatever the umask of Varve is. */
const UMASK = 0o022;

/**
 * Waits for an order, and becomes the first process of the step: enters the root filesystem, drops capabilities, becomes the user, and
 * executes the command. Says why if it cannot, and ends.
 *
 * @param supervisor - the process whose end ends this one
 */
export function becomeStep(supervisor: number): void {
  // Loads what the root filesystem does not have, before it is the root.
  landlockVersion();
  const line = readLine();
  if (line === undefined) return;
  const order = readOrder(line);
  attempt("refused", () => enter(order));
  attempt("directory", () => process.chdir(order.cwd));
  attempt("refused", () => giveUp(order));
  dieWithParent();
  if (process.ppid !== supervisor) return;
  attempt("exec", () => executeOrder(order));
}

/** Returns the first line that comes; undefined if the supervisor ends first. */
function readLine(): string | undefined {
  const chunks: Buffer[] = [];
  for (let size = 0; size < MAX_ORDER;) {
    const chunk = Buffer.allocUnsafe(CHUNK);
    const read = readOrders(chunk);
    if (read === 0) return undefined;
    chunks.push(chunk.subarray(0, read));
    if (chunk[read - 1] === 0x0a) return Buffer.concat(chunks).toString();
    size += read;
  }
  return undefined;
}

/** The socket does not block: nothing else is to be done meanwhile. */
function readOrders(chunk: Buffer): number {
  for (;;) {
    try {
      return readSync(ORDERS, chunk);
    } catch (error) {
      if (errnoOf(error) !== "EAGAIN") throw error;
      Atomics.wait(NEVER, 0, 0, 1);
    }
  }
}

const NEVER = new Int32Array(new SharedArrayBuffer(4));

function enter({ rootfs, confined }: StepOrder): void {
  using root = Root.open(rootfs);
  changeRoot(root.path);
  if (!confined) return;
  forbidNewPrivileges();
  confineTo(root.fd);
}

/** Gives up what the step must not have. Without CAP_SYS_CHROOT it cannot leave its root, nor look at processes that have it. */
function giveUp({ capabilities, limits, groups, gid, uid }: StepOrder): void {
  const keep = new Set(capabilities);
  limitBoundingSet(keep);
  for (const limit of limits) setProcessLimit(limit);
  process.setgroups?.([...groups]);
  process.setgid?.(gid);
  process.setuid?.(uid);
  setCapabilities(uid === 0 ? keep : new Set());
  process.umask(UMASK);
  resetSignal(constants.signals.SIGPIPE);
  passStandardDescriptors();
}

function executeOrder({ args, env }: StepOrder): void {
  const [command = ""] = args;
  if (command.includes("/")) execute(command, args, env);
  let denied: unknown;
  for (const directory of searchPath(env) ?? []) {
    try {
      execute(posix.join(directory === "" ? "." : directory, command), args, env);
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === "EACCES") denied = error;
      else if (errno !== "ENOENT" && errno !== "ENOTDIR") throw error;
    }
  }
  throw denied ?? Object.assign(new Error("ENOENT: no such file or directory"), { code: "ENOENT" });
}

function attempt(stage: StartFailure["stage"], action: () => void): void {
  try {
    action();
  } catch (error) {
    // Without the path, whose words are not those of the system.
    const [message = ""] = String(error instanceof Error ? error.message : error).split(", ");
    const failure: StartFailure = { kind: "failed", stage, message };
    writeSync(ORDERS, JSON.stringify(failure));
    closeSync(ORDERS);
    process.exit(125);
  }
}
