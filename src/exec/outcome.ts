import { VarveError, parseJson } from "../core/index.ts";
import { readFile } from "node:fs/promises";
import { constants } from "node:os";
import type { LaunchEnd } from "./launch.ts";

/** Exit status, with the signal that a status above 128 stands for. */
export interface Exit {
  readonly exitCode: number;
  readonly signal?: NodeJS.Signals | undefined;
}

const SIGNALS: ReadonlyMap<number, NodeJS.Signals> = new Map(
  Object.entries(constants.signals).map(([name, number]) => [number, name as NodeJS.Signals]),
);

export function exitOf({ code, signal }: LaunchEnd): Exit {
  if (signal !== null) return { exitCode: 128 + constants.signals[signal], signal };
  const exitCode = code ?? 255;
  const known = exitCode > 128 ? SIGNALS.get(exitCode - 128) : undefined;
  return known === undefined ? { exitCode } : { exitCode, signal: known };
}

/** The last error in a runtime's log (`--log-format json`), which a step cannot write to; undefined if it has none. */
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

/** Why the runtime could not start the process, in the terms of a shell: 127 for a missing command, 126 for one it may not run. */
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
  if (/exec format error/i.test(message)) return fail(126, "exec format error: made for another machine");
  if (/argument list too long/i.test(message)) return fail(126, "argument list too long");
  return fail(125, message);
}
