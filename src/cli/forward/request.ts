import type { SplitArgv } from "../global-flags.ts";

/** The size of a terminal in characters; 0 if unknown. */
export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** A command line and the circumstances that it runs in. */
export interface ForwardedCommand extends TerminalSize {
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly isOutputTerminal: boolean;
  readonly isErrorTerminal: boolean;
}

/** The payload of `Frame.request`. */
export interface ForwardRequest {
  /** See `machineIdentity`. */
  readonly identity: string;
  readonly command: ForwardedCommand;
}

/** The commands that a server may run. Others run in the client's own process. */
const FORWARDED: ReadonlySet<string> = new Set(["build", "du", "history", "images", "inspect", "rmi", "tag"]);

/** Options and variables that only a process of its own can follow. */
const OWN_OPTIONS = /^--(?:config|isolation|max-parallelism|no-server|snapshotter)(?:=|$)/;
const OWN_VARIABLES = ["VARVE_SNAPSHOTTER", "VARVE_NO_SERVER", "VARVE_ISOLATION"];
/** Files below these directories are not the same for two processes. */
const OWN_FILES = /(?:^|[=:,])\/(?:dev|proc)\//;

/** Returns whether a server may run a command line. */
export function isForwardable({ global, name, rest }: SplitArgv, env: NodeJS.ProcessEnv): boolean {
  if (name === undefined || !FORWARDED.has(name)) return false;
  if (OWN_VARIABLES.some((variable) => (env[variable] ?? "") !== "")) return false;
  return [...global, ...rest].every((arg) => !OWN_OPTIONS.test(arg) && !OWN_FILES.test(arg));
}
