import type { ChildProcess } from "node:child_process";
import { Socket } from "node:net";
import { VarveError, toVarveError } from "../core/index.ts";

/**
 * Returns the socket that a child process was given as a descriptor.
 *
 * @throws {VarveError} if the child was not started for lack of file descriptors.
 */
export function childSocket(child: ChildProcess, descriptor: number): Socket {
  // Node opens nothing for a child that it could not start.
  const sockets: readonly unknown[] | undefined = child.stdio;
  if (sockets === undefined)
    throw toVarveError(Object.assign(new Error("too many open files"), { code: "EMFILE" }), "start a step");
  const socket = sockets[descriptor];
  if (socket instanceof Socket) return socket;
  throw new VarveError("internal", `Cannot run steps: a child process has no socket as descriptor ${descriptor}`);
}
