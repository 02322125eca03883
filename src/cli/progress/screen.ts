/** Where a display writes: standard error, as in buildx, because standard output is for results. */
export interface Screen {
  write(text: string): void;
  /** True for a terminal whose cursor can be moved. */
  readonly isTTY: boolean;
  /** False if the user has disabled colours (https://no-color.org). */
  readonly colours: boolean;
  readonly columns: number;
  readonly rows: number;
}

/** Returns what a stream can show in an environment. */
export function capabilities(isTerminal: boolean, env: NodeJS.ProcessEnv): Pick<Screen, "isTTY" | "colours"> {
  return { isTTY: isTerminal && env["TERM"] !== "dumb", colours: (env["NO_COLOR"] ?? "") === "" };
}

/** Returns the screen of a stream. Its size is always the current one. */
export function screenOf(stream: NodeJS.WriteStream, env: NodeJS.ProcessEnv = process.env): Screen {
  return {
    write: (text) => void stream.write(text),
    ...capabilities(stream.isTTY, env),
    // A terminal of unknown size reports 0.
    get columns() {
      return stream.columns || 80;
    },
    get rows() {
      return stream.rows || 24;
    },
  };
}
