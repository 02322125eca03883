import { type DoctorReport, type Fact, doctorFacts } from "../../build/index.ts";
import type { Command } from "../command.ts";
import { ExitCode } from "../exit-code.ts";
import { describeFlags, parseFlags, usageError } from "../flags.ts";
import { printableJson, printableLine } from "../printable.ts";
import { FORMAT, wantsJson } from "./common.ts";

const FLAGS = { format: FORMAT } as const;

export const command: Command = {
  summary: "say what this machine offers and what it lacks",
  help: `Usage: varve doctor [flags]\n\nTries what builds need, a step included. The exit code is 5 if builds with RUN cannot work here.\n\n${describeFlags(FLAGS)}\n\nExample: varve doctor --format json\n`,
  run: async (argv, context) => {
    const { flags, args } = parseFlags(argv, FLAGS);
    if (args.length > 0) throw usageError("Cannot examine this machine: expected no arguments");
    const json = wantsJson(flags.format);
    const report = await doctorFacts(context.store, context.signal);
    await context.stdout.write(json ? `${printableJson(report)}\n` : describeReport(report));
    return report.ready ? ExitCode.done : ExitCode.machine;
  },
};

/** One line a fact; what is wrong with it, and the command that mends it, below. */
export function describeReport({ facts, ready }: DoctorReport): string {
  const width = Math.max(...facts.map((fact) => fact.name.length));
  const lines = facts.map((fact) => describeFact(fact, width));
  const verdict = ready ? "Builds work on this machine." : "Builds with RUN steps do not work on this machine.";
  return `${lines.join("")}\n${verdict}\n`;
}

function describeFact({ name, state, value, consequence, mend }: Fact, width: number): string {
  const margin = " ".repeat(11 + width);
  const below = [...(consequence === undefined ? [] : [consequence]), ...(mend === undefined ? [] : [`mend: ${mend}`])];
  const head = `${state.padEnd(8)} ${name.padEnd(width)}  ${printableLine(value)}`;
  return [head, ...below.map((line) => margin + printableLine(line))].map((line) => `${line}\n`).join("");
}
