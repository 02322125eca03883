import { resolve } from "node:path";
import { VarveError, errnoOf, firstFailure, machineError, toVarveError } from "../core/index.ts";
import {
  type Command,
  type CommandContext,
  type CommandHost,
  type Commands,
  LOG_LEVELS,
  type LogLevel,
} from "./command.ts";
import { ExitCode, describeError, exitCodeOf } from "./exit-code.ts";
import { type Parsed, describeFlags, parseFlags, usageError } from "./flags.ts";
import { GLOBAL_FLAGS, type SplitArgv, splitArgv } from "./global-flags.ts";

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

async function overview(): Promise<string> {
  const rows = await Promise.all(
    [...COMMANDS].map(async ([name, load]) => `  ${name.padEnd(10)}${(await load()).command.summary}`),
  );
  return `Usage: varve [OPTIONS] COMMAND\n\nBuild container images without a daemon\n\nCommands:\n${rows.join("\n")}\n\nGlobal options:\n${describeFlags(GLOBAL_FLAGS)}\n\nRun 'varve COMMAND --help' for more information on a command.\n\nExample: varve build -t app:1 .\n`;
}

function snapshotterOf(name: string | undefined): "overlay" | "copy" | undefined {
  if (name === undefined || name === "overlay" || name === "copy") return name;
  throw usageError(`Cannot use snapshotter ${JSON.stringify(name)}: expected overlay or copy`);
}

function contextOf(flags: Parsed<typeof GLOBAL_FLAGS>["flags"], host: CommandHost): CommandContext {
  const { root, config } = flags;
  const snapshotter = snapshotterOf(flags.snapshotter ?? host.env["VARVE_SNAPSHOTTER"]);
  const isolation = (flags.isolation ?? host.env["VARVE_ISOLATION"]) === "chroot" ? "chroot" : undefined;
  return {
    ...host,
    store: {
      ...(root === undefined ? {} : { root: resolve(host.cwd, root) }),
      snapshotter,
      ...(isolation === undefined ? {} : { steps: { isolation } }),
    },
    configPath: config === undefined ? undefined : resolve(host.cwd, config),
    logLevel: logLevelOf(flags["log-level"]),
    runCommand,
  };
}

function logLevelOf(name = "info"): LogLevel {
  const level = LOG_LEVELS.find((known) => known === name);
  if (level === undefined)
    throw usageError(`Cannot use log level ${JSON.stringify(name)}: expected ${LOG_LEVELS.join(", ")}`);
  return level;
}

/** Runs a command line; prints an error to standard error. Returns the exit code. */
export async function runCommand(argv: readonly string[], host: CommandHost): Promise<number> {
  const line = splitArgv(argv);
  let detail = line.name === "build" && (line.rest.includes("--debug") || line.rest.includes("-D"));
  try {
    const { flags } = parseFlags(line.global, GLOBAL_FLAGS);
    detail ||= logLevelOf(flags["log-level"]) === "debug";
    return await run(line, flags, host);
  } catch (thrown) {
    const first = firstFailure(thrown);
    // Any call, even loading a module, may fail because the machine lacks disk space, memory or file descriptors.
    const error = machineError(errnoOf(first)) === undefined ? first : toVarveError(first, "go on");
    host.screen.write(`${describeError(error, { detail })}\n`);
    return exitCodeOf(error);
  }
}

async function run(
  { name, rest }: SplitArgv,
  flags: Parsed<typeof GLOBAL_FLAGS>["flags"],
  host: CommandHost,
): Promise<number> {
  if (name === undefined) {
    const text = await overview();
    await host.stdout.write(text);
    return flags.help ? ExitCode.done : ExitCode.usage;
  }
  const load = COMMANDS.get(name);
  if (load === undefined) throw usageError(`Cannot run ${JSON.stringify(name)}: no such command; see varve --help`);
  const { command, args } = await subcommandOf((await load()).command, rest);
  if (flags.help || args.includes("--help") || args.includes("-h")) {
    await host.stdout.write(command.help);
    return ExitCode.done;
  }
  if (flags.isolation !== undefined) await checkIsolation(flags.isolation);
  // Before anything asynchronous touches a file: libuv's threads must be in the namespace as well.
  if (command.opensStore !== false) (await import("../linux/index.ts")).unshareMounts();
  return await command.run(args, contextOf(flags, host));
}

/** A process that was to enter a user namespace has done so before its command is run (`enter.ts`). */
async function checkIsolation(mode: string): Promise<void> {
  const { ownIdMaps } = await import("../linux/index.ts");
  const { parseIsolationMode } = await import("../isolation/index.ts");
  const isNamespace = parseIsolationMode(mode).startsWith("userns");
  if (isNamespace && ownIdMaps() === undefined)
    throw new VarveError("unsupported", `Cannot use isolation ${mode}: root needs no user namespace`, {
      hint: "Leave --isolation out, or run as an ordinary user.",
    });
}

/** Returns the subcommand that the arguments name, or the command itself. */
async function subcommandOf(
  command: Command,
  args: readonly string[],
): Promise<{ readonly command: Command; readonly args: readonly string[] }> {
  const nested = await command.commands?.get(args[0] ?? "")?.();
  return nested === undefined ? { command, args } : { command: nested.command, args: args.slice(1) };
}
