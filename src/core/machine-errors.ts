/** What a system error says about the machine, whatever was being done. */
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

/** Undefined for an error that says nothing about the machine. */
export function machineError(errno: string | undefined): MachineError | undefined {
  return errno === undefined ? undefined : ERRNOS.get(errno);
}
