import { type DoctorReport, type Fact, doctorFacts } from "../../doctor/index.ts";
import { toVarveError } from "../../core/index.ts";
import type { Command, CommandContext } from "../command.ts";
import { ExitCode } from "../exit-code.ts";
import { describeFlags, parseFlags, usageError } from "../flags.ts";
import { printableJson, printableLine } from "../printable.ts";
import { loadSettings } from "../settings.ts";
import { FORMAT, wantsJson } from "./common.ts";
import { verify } from "./doctor-verify.ts";

const FLAGS = {
  format: FORMAT,
  verify: { kind: "boolean", help: "read every blob of the root instead, and say what is damaged" },
} as const;

export const command: Command = {
  summary: "say what this machine offers and what it lacks",
  help: `Usage: varve doctor [flags]\n\nTries what builds need, a step included. The exit code is 5 if a build would fail here.\n\n${describeFlags(FLAGS)}\n\nExample: varve doctor --format json\n`,
  run: async (argv, context) => {
    const { flags, args } = parseFlags(argv, FLAGS);
    if (args.length > 0) throw usageError("Cannot examine this machine: expected no arguments");
    const json = wantsJson(flags.format);
    if (flags.verify) return await verify(context, json);
    const report = withSettings(await doctorFacts(context.store, context.signal), await settingsFact(context));
    await context.stdout.write(json ? `${printableJson(report)}\n` : describeReport(report));
    return report.ready ? ExitCode.done : ExitCode.machine;
  },
};

/** A configuration that no command can read; undefined for one that is right, or not there. */
async function settingsFact(context: CommandContext): Promise<Fact | undefined> {
  try {
    await loadSettings(context);
    return undefined;
  } catch (error) {
    const { message, hint } = toVarveError(error, "read the configuration");
    const consequence = hint ?? "no command works until it is mended";
    return { name: "configuration", state: "missing", value: message, required: true, consequence };
  }
}

function withSettings(report: DoctorReport, fact: Fact | undefined): DoctorReport {
  return fact === undefined ? report : { ...report, ready: false, facts: [...report.facts, fact] };
}

/** What only steps need. */
const STEPS = new Set(["OCI runtime", "RUN", "privileges"]);

/** One line a fact; what is wrong with it, and the command that mends it, below. */
export function describeReport({ facts, ready }: DoctorReport): string {
  const width = Math.max(...facts.map((fact) => fact.name.length));
  const lines = facts.map((fact) => describeFact(fact, width));
  const verdict = ready ? "Builds work on this machine." : verdictOf(facts);
  return `${lines.join("")}\n${verdict}\n`;
}

function verdictOf(facts: readonly Fact[]): string {
  const missing = facts.filter(({ required, state }) => required && state === "missing").map(({ name }) => name);
  const without = missing.every((name) => STEPS.has(name)) ? "Builds with RUN steps" : "Builds";
  return `${without} do not work on this machine: see ${missing.join(", ")}.`;
}

function describeFact({ name, state, value, consequence, mend }: Fact, width: number): string {
  const margin = " ".repeat(11 + width);
  const below = [...(consequence === undefined ? [] : [consequence]), ...(mend === undefined ? [] : [`mend: ${mend}`])];
  const head = `${state.padEnd(8)} ${name.padEnd(width)}  ${printableLine(value)}`;
  return [head, ...below.map((line) => margin + printableLine(line))].map((line) => `${line}\n`).join("");
}
