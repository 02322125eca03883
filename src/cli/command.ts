import type { StoreOptions } from "../engine/index.ts";
import type { Screen } from "./progress/screen.ts";

/** `error` leaves warnings out; `debug` shows where failures come from. */
export const LOG_LEVELS = ["error", "warn", "info", "debug"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** What a command is given: where it reads and writes, and the global settings. */
export interface CommandContext {
  readonly store: StoreOptions;
  readonly configPath: string | undefined;
  readonly stdin: AsyncIterable<Uint8Array>;
  /** Results. */
  readonly stdout: { write(data: string | Uint8Array): Promise<void>; readonly isTTY: boolean };
  /** Progress and messages. */
  readonly screen: Screen;
  readonly signal: AbortSignal;
  readonly logLevel: LogLevel;
}

/** Commands by their names, loaded when they are called. */
export type Commands = ReadonlyMap<string, () => Promise<{ readonly command: Command }>>;

export interface Command {
  /** One line for the list of commands. */
  readonly summary: string;
  /** The whole help text, with an example. */
  readonly help: string;
  /** Commands below this one: `varve cache ls`. */
  readonly commands?: Commands | undefined;
  /** False if it opens no store. Others are run in a mount namespace of their own. */
  readonly opensStore?: false | undefined;
  /** Returns the exit code. Throws `VarveError`. */
  run(argv: readonly string[], context: CommandContext): Promise<number>;
}
