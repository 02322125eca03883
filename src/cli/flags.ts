import { parseArgs } from "node:util";
import { VarveError } from "../core/index.ts";

/** One flag of a command. `many` may be given several times; `boolean` also takes `--flag=false`. */
export interface Flag {
  readonly kind: "boolean" | "string" | "many";
  readonly short?: string;
  /** What the value is called in the help text. */
  readonly value?: string;
  readonly help: string;
}

export type Flags = Readonly<Record<string, Flag>>;

type FlagValue<F extends Flag> = F["kind"] extends "boolean"
  ? boolean
  : F["kind"] extends "many"
    ? readonly string[]
    : string | undefined;

export interface Parsed<F extends Flags> {
  readonly flags: { readonly [K in keyof F]: FlagValue<F[K]> };
  readonly args: readonly string[];
}

/** Misuse of the command line: exit code 2. */
export function usageError(message: string): VarveError {
  return new VarveError("invalid-argument", message, { details: { usage: true } });
}

const TRUE = new Set(["1", "t", "true", "TRUE", "True", "T"]);
const FALSE = new Set(["0", "f", "false", "FALSE", "False", "F"]);

/** `--flag=true` and `--flag=false`, which docker takes for every switch, in the form node's parser knows. */
function plainSwitches(argv: readonly string[], flags: Flags): string[] {
  const end = argv.indexOf("--");
  return argv.flatMap((arg, index) => {
    const match = end >= 0 && index > end ? null : /^--([a-z-]+)=(.*)$/s.exec(arg);
    if (match === null || flags[match[1] ?? ""]?.kind !== "boolean") return [arg];
    if (TRUE.has(match[2] ?? "")) return [`--${match[1]}`];
    if (FALSE.has(match[2] ?? "")) return [];
    throw usageError(`Cannot read --${match[1]}=${match[2]}: expected true or false`);
  });
}

/** Reads a command line; throws a usage error for a flag that is unknown or lacks its value. */
export function parseFlags<const F extends Flags>(argv: readonly string[], flags: F): Parsed<F> {
  const options = Object.fromEntries(
    Object.entries(flags).map(([name, flag]) => [
      name,
      {
        type: flag.kind === "boolean" ? ("boolean" as const) : ("string" as const),
        multiple: flag.kind === "many",
        ...(flag.short === undefined ? {} : { short: flag.short }),
      },
    ]),
  );
  try {
    const { values, positionals } = parseArgs({
      args: plainSwitches(argv, flags),
      options,
      allowPositionals: true,
      strict: true,
    });
    const read = Object.entries(flags).map(([name, flag]) => [
      name,
      values[name] ?? (flag.kind === "boolean" ? false : flag.kind === "many" ? [] : undefined),
    ]);
    return { flags: Object.fromEntries(read) as Parsed<F>["flags"], args: positionals };
  } catch (error) {
    throw error instanceof VarveError
      ? error
      : usageError(`Cannot read the command line: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** The help text's lines for a set of flags. */
export function describeFlags(flags: Flags): string {
  const rows = Object.entries(flags).map(([name, flag]): [string, string] => {
    const short = flag.short === undefined ? "    " : `-${flag.short}, `;
    const value = flag.kind === "boolean" ? "" : ` ${flag.value ?? "VALUE"}`;
    return [`  ${short}--${name}${value}`, flag.help];
  });
  const width = Math.min(36, Math.max(...rows.map(([left]) => left.length)));
  return rows
    .map(([left, help]) =>
      left.length > width ? `${left}\n${" ".repeat(width + 2)}${help}` : `${left.padEnd(width + 2)}${help}`,
    )
    .join("\n");
}
