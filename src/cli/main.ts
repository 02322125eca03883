import { resolve } from "node:path";
import { VarveError, errnoOf, firstFailure, machineError, toVarveError } from "../core/index.ts";
import { type Command, type CommandContext, type Commands, LOG_LEVELS, type LogLevel } from "./command.ts";
import { ExitCode, describeError, exitCodeOf } from "./exit-code.ts";
import { type Flag, type Parsed, describeFlags, parseFlags, usageError } from "./flags.ts";
import { screenOf } from "./progress/screen.ts";

const COMMANDS: Commands = new Map<string, () => Promise<{ command: Command }>>([
  ["build", () => import("./commands/build.ts")],
  ["pull", () => import("./commands/pull.ts")],
  ["push", () => import("./commands/push.ts")],
  ["tag", () => import("./commands/tag.ts")],
  ["images", () => import("./commands/images.ts")],
  ["rmi", () => import("./commands/rmi.ts")],
  ["inspect", () => import("./commands/inspect.ts")],
  ["history", () => import("./commands/history.ts")],
  ["save", () => import("./commands/save.ts")],
  ["load", () => import("./commands/load.ts")],
  ["du", () => import("./commands/du.ts")],
  ["prune", () => import("./commands/prune.ts")],
  ["cache", () => import("./commands/cache.ts")],
  ["serve", () => import("./commands/serve.ts")],
  ["buildkitd", () => import("./commands/buildkitd.ts")],
  ["buildctl", () => import("./commands/buildctl.ts")],
  ["doctor", () => import("./commands/doctor.ts")],
  ["version", () => import("./commands/version.ts")],
]);

const GLOBAL = {
  root: { kind: "string", value: "DIR", help: "Directory of images, layers and cache (default $VARVE_ROOT)" },
  config: { kind: "string", value: "FILE", help: "Configuration file (default varve.json in the root)" },
  "log-level": { kind: "string", value: "LEVEL", help: "Set the log level (error, warn, info, debug)" },
  snapshotter: { kind: "string", value: "NAME", help: "Set how layers are stored (overlay, copy)" },
  help: { kind: "boolean", short: "h", help: "Show help" },
} as const;

/** Splits the command line into global options, the name of the command, and its arguments. */
function splitArgv(argv: readonly string[]): { global: string[]; name: string | undefined; rest: readonly string[] } {
  const global: string[] = [];
  for (let i = 0; i < argv.length; i += 1) {
    const arg = argv[i] ?? "";
    if (!arg.startsWith("-")) return { global, name: arg, rest: argv.slice(i + 1) };
    global.push(arg);
    const flag = Object.entries<Flag>(GLOBAL).find(([name]) => `--${name}` === arg)?.[1];
    if (flag?.kind === "string" && i + 1 < argv.length) global.push(argv[(i += 1)] ?? "");
  }
  return { global, name: undefined, rest: [] };
}

async function overview(): Promise<string> {
  const rows = await Promise.all(
    [...COMMANDS].map(async ([name, load]) => `  ${name.padEnd(10)}${(await load()).command.summary}`),
  );
  return `Usage: varve [OPTIONS] COMMAND\n\nBuild container images without a daemon\n\nCommands:\n${rows.join("\n")}\n\nGlobal options:\n${describeFlags(GLOBAL)}\n\nRun 'varve COMMAND --help' for more information on a command.\n\nExample: varve build -t app:1 .\n`;
}

function snapshotterOf(name: string | undefined): "overlay" | "copy" | undefined {
  if (name === undefined || name === "overlay" || name === "copy") return name;
  throw usageError(`Cannot use snapshotter ${JSON.stringify(name)}: expected overlay or copy`);
}

function contextOf(flags: Parsed<typeof GLOBAL>["flags"], signal: AbortSignal): CommandContext {
  const { root, config } = flags;
  const snapshotter = snapshotterOf(flags.snapshotter ?? process.env["VARVE_SNAPSHOTTER"]);
  return {
    store: {
      ...(root === undefined ? {} : { root: resolve(root) }),
      snapshotter,
    },
    configPath: config === undefined ? undefined : resolve(config),
    stdin: process.stdin,
    stdout: { write: writeOut, isTTY: process.stdout.isTTY },
    screen: screenOf(process.stderr),
    signal,
    logLevel: logLevelOf(flags["log-level"]),
  };
}

/** Writes to standard output and waits until the reader takes the data. A closed pipe ends the process, as for other commands. */
async function writeOut(data: string | Uint8Array): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  process.stdout.write(data, (error) => (error === null || error === undefined ? resolve() : reject(error)));
  await promise;
}

function logLevelOf(name = "info"): LogLevel {
  const level = LOG_LEVELS.find((known) => known === name);
  if (level === undefined)
    throw usageError(`Cannot use log level ${JSON.stringify(name)}: expected ${LOG_LEVELS.join(", ")}`);
  return level;
}

/** Runs a command line; prints an error to standard error. Returns the exit code. */
async function main(argv: readonly string[], signal: AbortSignal): Promise<number> {
  const { global, name, rest } = splitArgv(argv);
  let detail = name === "build" && (rest.includes("--debug") || rest.includes("-D"));
  try {
    const { flags } = parseFlags(global, GLOBAL);
    detail ||= logLevelOf(flags["log-level"]) === "debug";
    return await run({ flags, name, rest }, signal);
  } catch (thrown) {
    const first = firstFailure(thrown);
    // Any call, even loading a module, may fail because the machine lacks disk space, memory or file descriptors.
    const error = machineError(errnoOf(first)) === undefined ? first : toVarveError(first, "go on");
    process.stderr.write(`${describeError(error, { detail })}\n`);
    return exitCodeOf(error);
  }
}

interface CommandLine {
  readonly flags: Parsed<typeof GLOBAL>["flags"];
  readonly name: string | undefined;
  readonly rest: readonly string[];
}

async function run({ flags, name, rest }: CommandLine, signal: AbortSignal): Promise<number> {
  if (name === undefined) {
    const text = await overview();
    await writeOut(text);
    return flags.help ? ExitCode.done : ExitCode.usage;
  }
  const load = COMMANDS.get(name);
  if (load === undefined) throw usageError(`Cannot run ${JSON.stringify(name)}: no such command; see varve --help`);
  const { command, args } = await subcommandOf((await load()).command, rest);
  if (flags.help || args.includes("--help") || args.includes("-h")) {
    await writeOut(command.help);
    return ExitCode.done;
  }
  // Before anything asynchronous touches a file: libuv's threads must be in the namespace as well.
  if (command.opensStore !== false) (await import("../linux/index.ts")).unshareMounts();
  return await command.run(args, contextOf(flags, signal));
}

/** Returns the subcommand that the arguments name, or the command itself. */
async function subcommandOf(
  command: Command,
  args: readonly string[],
): Promise<{ readonly command: Command; readonly args: readonly string[] }> {
  const nested = await command.commands?.get(args[0] ?? "")?.();
  return nested === undefined ? { command, args } : { command: nested.command, args: args.slice(1) };
}

/** Aborts at the first interrupt; a second one ends the process at once. */
function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(ExitCode.interrupted);
      controller.abort(new VarveError("cancelled", `Cannot go on: interrupted by ${name}`));
    });
  }
  return controller.signal;
}

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(ExitCode.done);
});
process.exitCode = await main(process.argv.slice(2), interruptSignal());
