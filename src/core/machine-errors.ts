/** System errors that have their cause in the machine, whatever the operation was. */
export interface MachineError {
  /** An `ErrorCode`. */
  readonly code: "storage" | "unsupported";
  readonly hint?: string | undefined;
}

const FILES = "Raise the limit on open files, for example with ulimit -n 1024.";

const ERRNOS: ReadonlyMap<string, MachineError> = new Map<string, MachineError>([
  [
    "ENOSPC",
    { code: "storage", hint: "Free space on that filesystem; varve prune --all frees what can be made again." },
  ],
  ["EDQUOT", { code: "storage", hint: "Free space, or have the quota raised." }],
  ["EROFS", { code: "storage", hint: "Use a path on a filesystem that can be written to." }],
  ["EFBIG", { code: "storage" }],
  ["EMFILE", { code: "unsupported", hint: FILES }],
  ["ENFILE", { code: "unsupported", hint: "Raise fs.file-max: the machine has no more open files to give." }],
  ["ENOMEM", { code: "unsupported", hint: "Free memory, or raise the limit of the control group." }],
]);

/** Returns undefined for an error with another cause. */
export function machineError(errno: string | undefined): MachineError | undefined {
  return errno === undefined ? undefined : ERRNOS.get(errno);
}
