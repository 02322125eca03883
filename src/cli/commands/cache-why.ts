import { type WhyReport, explainBuild } from "../../caches/index.ts";
import { BuildHistory } from "../../history/index.ts";
import type { Command } from "../command.ts";
import { ExitCode } from "../exit-code.ts";
import { describeFlags, parseFlags } from "../flags.ts";
import { printableJson, printableLine } from "../printable.ts";
import { humanAge } from "../values.ts";
import { whyList, whyTable } from "../why-table.ts";
import { FORMAT, expectArgs, storeOf, wantsJson } from "./common.ts";

const FLAGS = {
  full: { kind: "boolean", help: "Name every change" },
  format: FORMAT,
} as const;
const USAGE = "varve cache why [BUILD|STEP]";

export const command: Command = {
  summary: "Say why steps of a build were not cached",
  help: `Usage: ${USAGE} [OPTIONS]

Say why steps of the last build were not cached. BUILD is the ID of another build (varve history builds), or the beginning of one.
STEP is a part of a step's name, such as "RUN npm ci": then all changes of these steps are named.

${describeFlags(FLAGS)}

Example: varve cache why "COPY . ."
`,
  run: async (argv, context) => {
    const { flags, args } = parseFlags(argv, FLAGS);
    expectArgs(args, 0, 1, USAGE);
    await using store = await storeOf(context);
    const [last] = new BuildHistory(store.state).list({ filters: ["status==completed"], limit: 1 });
    const ended = last?.completedAt === undefined ? undefined : { ref: last.ref, completedAt: last.completedAt };
    const report = explainBuild(store, args[0], ended);
    const full = flags.full || report.step !== undefined;
    await context.stdout.write(wantsJson(flags.format) ? `${printableJson(report)}\n` : text(report, full));
    return ExitCode.done;
  },
};

function text({ ref, endedAt, isCached, steps }: WhyReport, full: boolean): string {
  const head = `Build ${printableLine(ref)}, ${humanAge(Date.now() - Date.parse(endedAt))}`;
  if (isCached) return `${head}: every step was cached\n`;
  const list = full ? whyList(steps) : "";
  return `${head}\n\n${whyTable(steps)}${list === "" ? "" : `\n${list}`}`;
}
