import { diskUsage } from "../../caches/index.ts";
import type { Command } from "../command.ts";
import { ExitCode } from "../exit-code.ts";
import { describeFlags, parseFlags } from "../flags.ts";
import { humanAge, humanSize } from "../values.ts";
import { FORMAT, printRows, storeOf } from "./common.ts";

const FLAGS = {
  filter: { kind: "many", value: "FILTER", help: "Show only matching records, such as type==exec.cachemount" },
  format: FORMAT,
} as const;

export const command: Command = {
  summary: "Show the disk usage of the cache",
  help: `Usage: varve du [OPTIONS]\n\n${describeFlags(FLAGS)}\n\nExample: varve du --format json\n`,
  run: async (argv, context) => {
    const { flags } = parseFlags(argv, FLAGS);
    await using store = await storeOf(context);
    const usages = await diskUsage(store, { filters: flags.filter, signal: context.signal });
    const row = (usage: (typeof usages)[number]): Record<string, string> => ({
      ID: `${usage.id}${usage.mutable ? "*" : ""}`,
      RECLAIMABLE: String(!usage.inUse),
      SIZE: humanSize(usage.size),
      "LAST ACCESSED": usage.lastUsedAt === undefined ? "never" : humanAge(Date.now() - usage.lastUsedAt),
      DESCRIPTION: usage.description.length > 60 ? `${usage.description.slice(0, 59)}…` : usage.description,
    });
    await printRows(usages, flags.format, row, context);
    if (flags.format === "json") return ExitCode.done;
    const damaged = (await store.content.quarantined()).reduce((total, { bytes }) => total + bytes, 0);
    const sum = (all: typeof usages, more = 0): string =>
      humanSize(all.reduce((total, usage) => total + usage.size, more));
    const quarantine = damaged === 0 ? "" : `Quarantined:\t${humanSize(damaged)}\n`;
    await context.stdout.write(
      `${quarantine}Shared:\t\t${sum(usages.filter((usage) => usage.shared))}\nReclaimable:\t${sum(usages.filter((usage) => !usage.inUse && !usage.shared))}\nTotal:\t\t${sum(usages, damaged)}\n`,
    );
    return ExitCode.done;
  },
};
