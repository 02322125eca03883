/** What a display writes to: standard error, as buildx does, so that standard output stays free for results. */
export interface Screen {
  write(text: string): void;
  /** A terminal whose cursor can be moved. */
  readonly isTTY: boolean;
  /** False where the user wants none (https://no-color.org). */
  readonly colours: boolean;
  readonly columns: number;
  readonly rows: number;
}

/** The screen behind a stream; its size is what it is at the moment of asking. */
export function screenOf(stream: NodeJS.WriteStream, env: NodeJS.ProcessEnv = process.env): Screen {
  return {
    write: (text) => void stream.write(text),
    isTTY: stream.isTTY && env["TERM"] !== "dumb",
    colours: (env["NO_COLOR"] ?? "") === "",
    // A terminal that does not know its size says 0.
    get columns() {
      return stream.columns || 80;
    },
    get rows() {
      return stream.rows || 24;
    },
  };
}
