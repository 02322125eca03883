import { prune } from "../../caches/index.ts";
import { pruneUntagged } from "../../images/index.ts";
import type { Command } from "../command.ts";
import { ExitCode } from "../exit-code.ts";
import { describeFlags, parseFlags, usageError } from "../flags.ts";
import { byteSize, duration, humanSize } from "../values.ts";
import { printableJson } from "../printable.ts";
import { storeOf, wantsJson } from "./common.ts";

const FLAGS = {
  all: { kind: "boolean", short: "a", help: "also what images share, and internal records" },
  images: { kind: "boolean", help: "also images without a name that no other was made from" },
  filter: { kind: "many", value: "FILTER", help: "only what matches, such as type==exec.cachemount" },
  "keep-duration": { kind: "string", value: "TIME", help: "keep what was used within this time, such as 48h" },
  "keep-storage": { kind: "string", value: "SIZE", help: "stop when the cache is smaller than this" },
  "max-used-space": { kind: "string", value: "SIZE", help: "the same as --keep-storage" },
  "reserved-space": { kind: "string", value: "SIZE", help: "never go below this" },
  "min-free-space": { kind: "string", value: "SIZE", help: "go on until so much of the disk is free" },
  force: { kind: "boolean", short: "f", help: "accepted for docker's sake: varve never asks" },
  format: { kind: "string", value: "json", help: "print what was removed as JSON" },
} as const;

export const command: Command = {
  summary: "remove cache that nobody needs",
  help: `Usage: varve prune [flags]\n\nImages stay, unless --images takes those without a name.\n\n${describeFlags(FLAGS)}\n\nExample: varve prune --keep-duration 48h --keep-storage 10g\n`,
  run: async (argv, context) => {
    const { flags, args } = parseFlags(argv, FLAGS);
    if (args.length > 0) throw usageError("Cannot prune: expected no arguments");
    const size = (flag: "keep-storage" | "max-used-space" | "reserved-space" | "min-free-space"): number =>
      flags[flag] === undefined ? 0 : byteSize(flag, flags[flag]);
    const json = wantsJson(flags.format);
    await using store = await storeOf(context);
    const images = flags.images ? await pruneUntagged(store, context.signal) : [];
    const report = await prune(
      store,
      {
        all: flags.all,
        filters: flags.filter,
        keepDuration: flags["keep-duration"] === undefined ? 0 : duration("keep-duration", flags["keep-duration"]),
        maxUsedSpace: size("max-used-space") || size("keep-storage"),
        reservedSpace: size("reserved-space"),
        minFreeSpace: size("min-free-space"),
      },
      context.signal,
    );
    if (json) await context.stdout.write(`${printableJson({ ...report, images })}\n`);
    else
      await context.stdout.write(
        `${images.map((id) => `${id}\n`).join("")}${report.records.map(({ id, size }) => `${id}\t${humanSize(size)}\n`).join("")}Total:\t${humanSize(report.reclaimed)}\n`,
      );
    return ExitCode.done;
  },
};
