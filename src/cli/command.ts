import type { StoreOptions } from "../build/index.ts";
import type { Screen } from "./progress/screen.ts";

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
}

export interface Command {
  /** One line for the list of commands. */
  readonly summary: string;
  /** The whole help text, with an example. */
  readonly help: string;
  /** Returns the exit code. Throws `VarveError`. */
  run(argv: readonly string[], context: CommandContext): Promise<number>;
}
