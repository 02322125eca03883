import { VarveError, parseJson } from "../core/index.ts";
import { readFile } from "node:fs/promises";
import { constants } from "node:os";
import type { LaunchEnd } from "./launch.ts";

/** An exit code, with the signal that a code above 128 stands for. */
export interface Exit {
  readonly exitCode: number;
  readonly signal?: NodeJS.Signals | undefined;
}

const SIGNALS: ReadonlyMap<number, NodeJS.Signals> = new Map(
  Object.keys(constants.signals)
    .filter(isSignal)
    .map((name) => [constants.signals[name], name]),
);

function isSignal(name: string): name is NodeJS.Signals {
  return Object.hasOwn(constants.signals, name);
}

/** Returns the exit code of a runtime that has ended. */
export function exitOf({ code, signal }: LaunchEnd): Exit {
  if (signal !== null) return { exitCode: 128 + constants.signals[signal], signal };
  const exitCode = code ?? 255;
  const known = exitCode > 128 ? SIGNALS.get(exitCode - 128) : undefined;
  return known === undefined ? { exitCode } : { exitCode, signal: known };
}

/** Returns the last error in a runtime's log (`--log-format json`), or undefined. Steps cannot write to the log. */
export async function runtimeError(logFile: string): Promise<string | undefined> {
  const text = await readFile(logFile, "utf8").catch(() => "");
  return text.split("\n").flatMap(errorLine).at(-1);
}

function errorLine(line: string): string[] {
  try {
    const entry = parseJson(line, "the runtime's log").requiredObject();
    const [level, message] = [entry.string("level"), entry.string("msg")];
    return (level === "error" || level === "fatal") && message !== undefined ? [message] : [];
  } catch {
    return [];
  }
}

const FOREIGN = /exec format error/i;

/** True for the error of a program that the kernel does not know how to run. */
export function isForeign({ message }: VarveError): boolean {
  return FOREIGN.test(message);
}

/** Converts a runtime's error to one with a shell's exit code: 127 for a missing command, 126 for one that cannot be executed. */
export function startError(message: string, args: readonly string[]): VarveError {
  const command = JSON.stringify(args[0] ?? "");
  const fail = (exitCode: number, state: string): VarveError =>
    new VarveError("step-failed", `Cannot start ${command}: ${state}`, { details: { exitCode, runtime: message } });
  if (/chdir|working directory|\bcwd\b/i.test(message)) {
    return new VarveError("invalid-build", `Cannot start ${command}: the working directory cannot be entered`, {
      details: { runtime: message },
    });
  }
  if (!/exec|starting container process/i.test(message)) return fail(125, message);
  if (/not found|no such file/i.test(message)) return fail(127, "executable file not found in the step's PATH");
  if (/permission denied|operation not permitted|is a directory/i.test(message))
    return fail(126, "not an executable file");
  if (FOREIGN.test(message)) return fail(126, "exec format error: made for another machine");
  if (/argument list too long/i.test(message)) return fail(126, "argument list too long");
  return fail(125, message);
}
