import { type Flag } from "./flags.ts";

/** The flags before the name of the command. */
export const GLOBAL_FLAGS = {
  root: { kind: "string", value: "DIR", help: "Directory of images, layers and cache (default $VARVE_ROOT)" },
  config: { kind: "string", value: "FILE", help: "Configuration file (default varve.json in the root)" },
  "log-level": { kind: "string", value: "LEVEL", help: "Set the log level (error, warn, info, debug)" },
  snapshotter: { kind: "string", value: "NAME", help: "Set how layers are stored (overlay, copy)" },
  isolation: {
    kind: "string",
    value: "MODE",
    help: "Set how commands are isolated (auto, userns, userns-single, chroot, none)",
  },
  help: { kind: "boolean", short: "h", help: "Show help" },
} as const;

export interface SplitArgv {
  readonly global: readonly string[];
  /** Undefined if there is no command. */
  readonly name: string | undefined;
  readonly rest: readonly string[];
}

/** Splits the command line into global options, the name of the command, and its arguments. */
export function splitArgv(argv: readonly string[]): SplitArgv {
  const global: string[] = [];
  for (let i = 0; i < argv.length; i += 1) {
    const arg = argv[i] ?? "";
    if (!arg.startsWith("-")) return { global, name: arg, rest: argv.slice(i + 1) };
    global.push(arg);
    const flag = Object.entries<Flag>(GLOBAL_FLAGS).find(([name]) => `--${name}` === arg)?.[1];
    if (flag?.kind === "string" && i + 1 < argv.length) global.push(argv[(i += 1)] ?? "");
  }
  return { global, name: undefined, rest: [] };
}
