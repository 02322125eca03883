import { type DoctorReport, type Fact, doctorFacts } from "../../doctor/index.ts";
import { toVarveError } from "../../core/index.ts";
import type { Command, CommandContext } from "../command.ts";
import { ExitCode } from "../exit-code.ts";
import { describeFlags, parseFlags, usageError } from "../flags.ts";
import { printableJson, printableLine } from "../printable.ts";
import { type Settings, loadSettings } from "../settings.ts";
import { FORMAT, wantsJson } from "./common.ts";
import { verify } from "./doctor-verify.ts";

const FLAGS = {
  format: FORMAT,
  verify: { kind: "boolean", help: "Read every blob in the root instead, and print which are damaged" },
} as const;

export const command: Command = {
  summary: "Check whether builds work on this machine",
  help: `Usage: varve doctor [OPTIONS]\n\nTry everything that builds need, and run a step. The exit code is 5 if builds do not work on this machine.\n\n${describeFlags(FLAGS)}\n\nExample: varve doctor --format json\n`,
  run: async (argv, context) => {
    const { flags, args } = parseFlags(argv, FLAGS);
    if (args.length > 0) throw usageError("Cannot examine this machine: expected no arguments");
    const json = wantsJson(flags.format);
    if (flags.verify) return await verify(context, json);
    const settings = await readSettings(context);
    const report = withSettings(await doctorFacts(settings.store, context.signal), settings.problem);
    await context.stdout.write(json ? `${printableJson(report)}\n` : describeReport(report));
    return report.ready ? ExitCode.done : ExitCode.machine;
  },
};

/** Returns the options of the store, and the problem of a configuration file that cannot be read. */
async function readSettings(context: CommandContext): Promise<Pick<Settings, "store"> & { readonly problem?: Fact }> {
  try {
    return { store: (await loadSettings(context)).store };
  } catch (error) {
    const { message, hint } = toVarveError(error, "read the configuration");
    const consequence = hint ?? "every command fails until this is fixed";
    const problem = { name: "configuration", state: "missing", value: message, required: true, consequence } as const;
    return { store: context.store, problem };
  }
}

function withSettings(report: DoctorReport, fact: Fact | undefined): DoctorReport {
  return fact === undefined ? report : { ...report, ready: false, facts: [...report.facts, fact] };
}

/** Facts that matter only to builds with RUN steps. */
const STEPS = new Set(["OCI runtime", "RUN", "privileges"]);

/** One line for each fact, followed by its consequence and the command that fixes it. */
export function describeReport({ facts, ready }: DoctorReport): string {
  const width = Math.max(...facts.map((fact) => fact.name.length));
  const lines = facts.map((fact) => describeFact(fact, width));
  const verdict = ready ? "Builds work on this machine." : verdictOf(facts);
  return `${lines.join("")}\n${verdict}\n`;
}

function verdictOf(facts: readonly Fact[]): string {
  const missing = facts.filter(({ required, state }) => required && state === "missing").map(({ name }) => name);
  const without = missing.every((name) => STEPS.has(name)) ? "Builds with RUN steps" : "Builds";
  return `${without} do not work on this machine. Missing: ${missing.join(", ")}.`;
}

function describeFact({ name, state, value, consequence, fix }: Fact, width: number): string {
  const margin = " ".repeat(11 + width);
  const below = [...(consequence === undefined ? [] : [consequence]), ...(fix === undefined ? [] : [`To fix: ${fix}`])];
  const head = `${state.padEnd(8)} ${name.padEnd(width)}  ${printableLine(value)}`;
  return [head, ...below.map((line) => margin + printableLine(line))].map((line) => `${line}\n`).join("");
}
