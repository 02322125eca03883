import type { Store, StoreOptions } from "../engine/index.ts";
import type { Screen } from "./progress/screen.ts";

/** `error` hides warnings; `debug` adds stacks and causes to errors. */
export const LOG_LEVELS = ["error", "warn", "info", "debug"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Who runs a command: the user of this process, or a client that has forwarded it to this process, which is a server. */
export interface CommandHost {
  readonly stdin: AsyncIterable<Uint8Array>;
  /** Receives results. */
  readonly stdout: { write(data: string | Uint8Array): Promise<void>; readonly isTTY: boolean };
  /** Receives progress and messages. */
  readonly screen: Screen;
  readonly signal: AbortSignal;
  /** Absolute. Relative paths of arguments are relative to it. */
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  /** The store of the server, if the command was forwarded to it. */
  readonly serverStore?: Store | undefined;
}

/** Input, output and global settings of a command. */
export interface CommandContext extends CommandHost {
  readonly store: StoreOptions;
  readonly configPath: string | undefined;
  readonly logLevel: LogLevel;
  /** Runs a command line for another host, and returns its exit code. Prints errors to the host's screen. */
  readonly runCommand: RunCommand;
}

export type RunCommand = (argv: readonly string[], host: CommandHost) => Promise<number>;

/** Loaders of commands by name. A command's module is loaded when it runs. */
export type Commands = ReadonlyMap<string, () => Promise<{ readonly command: Command }>>;

export interface Command {
  /** One line for the list of commands. */
  readonly summary: string;
  /** The whole help text, with an example. */
  readonly help: string;
  /** Subcommands, such as `ls` of `varve cache`. */
  readonly commands?: Commands | undefined;
  /** False if the command opens no store. Other commands run in their own mount namespace. */
  readonly opensStore?: false | undefined;
  /** Returns the exit code. Throws `VarveError`. */
  run(argv: readonly string[], context: CommandContext): Promise<number>;
}
