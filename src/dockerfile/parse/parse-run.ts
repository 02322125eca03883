import { goQuote } from "../../core/index.ts";
import { fault } from "../source/fault.ts";
import { parseFlags } from "./flags.ts";
import type {
  CommandLine,
  Healthcheck,
  HealthcheckInstruction,
  InstructionBase,
  RunInstruction,
} from "./instruction.ts";
import { parseDevice, parseMountEarly } from "./parse-mount.ts";
import { parseDuration } from "./quantity.ts";
import type { Statement } from "./statement.ts";

/** Returns the command of a RUN, CMD or ENTRYPOINT. */
export function commandLine({ args, json, heredocs }: Statement): CommandLine {
  const files = heredocs.map(({ name, content, chomp }) => ({ name, data: content, chomp }));
  if (json) return { form: "exec", args, files };
  return { form: "shell", args: args.length === 0 ? [] : [args.join(" ")], files };
}

function oneOf<T extends string>(value: string, allowed: readonly T[], message: (value: string) => string): T {
  const found = allowed.find((candidate) => candidate === value);
  if (found === undefined) throw fault(message(goQuote(value)), value);
  return found;
}

export function parseRun(statement: Statement, base: InstructionBase): RunInstruction {
  const flags = parseFlags(statement.flags, {
    mount: "values",
    network: "value",
    security: "value",
    device: "values",
  });
  const mountTexts = flags.values("mount");
  return {
    kind: "run",
    ...base,
    command: commandLine(statement),
    mountTexts,
    mounts: mountTexts.map(parseMountEarly),
    devices: flags.values("device").map(parseDevice),
    network: oneOf(flags.value("network", "default"), ["default", "none", "host"], (v) => `invalid network mode ${v}`),
    security: oneOf(flags.value("security", "sandbox"), ["sandbox", "insecure"], (v) => `security ${v} is not valid`),
  };
}

const MILLISECOND = 1e6;

function interval(name: string, text: string): number {
  const duration = text === "" ? 0 : parseDuration(text);
  if (duration !== 0 && duration < MILLISECOND) throw fault(`Interval "${name}" cannot be less than 1ms`, text);
  return duration;
}

function retries(text: string): number {
  if (text === "") return 0;
  if (!/^[-+]?\d{1,10}$/.test(text) || Math.abs(Number(text)) >= 2 ** 31)
    throw fault(`invalid value for --retries: ${text}`, text);
  if (Number(text) < 0) throw fault(`--retries cannot be negative (${Number(text)})`, text);
  return Number(text);
}

function healthTest(type: string, args: readonly string[], json: boolean): readonly string[] {
  if (type !== "CMD") throw fault(`Unknown type ${goQuote(type)} in HEALTHCHECK (try CMD)`);
  if (args.length === 0) throw fault("Missing command after HEALTHCHECK CMD");
  return json ? ["CMD", ...args] : ["CMD-SHELL", args.join(" ")];
}

const NONE: Healthcheck = { test: ["NONE"], interval: 0, timeout: 0, startPeriod: 0, startInterval: 0, retries: 0 };

function readHealthcheck({ args: [first = "", ...args], flags: given, json }: Statement): Healthcheck {
  const type = first.toUpperCase();
  if (type === "NONE") {
    if (args.length > 0) throw fault("HEALTHCHECK NONE takes no arguments");
    return NONE;
  }
  const flags = parseFlags(given, {
    interval: "value",
    timeout: "value",
    "start-period": "value",
    "start-interval": "value",
    retries: "value",
  });
  return {
    test: healthTest(type, args, json),
    interval: interval("interval", flags.value("interval")),
    timeout: interval("timeout", flags.value("timeout")),
    startPeriod: interval("start-period", flags.value("start-period")),
    startInterval: interval("start-interval", flags.value("start-interval")),
    retries: retries(flags.value("retries")),
  };
}

export function parseHealthcheck(statement: Statement, base: InstructionBase): HealthcheckInstruction {
  if (statement.args.length === 0) throw fault("HEALTHCHECK requires at least one argument");
  return { kind: "healthcheck", ...base, healthcheck: readHealthcheck(statement) };
}
