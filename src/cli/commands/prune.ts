import { prune } from "../../caches/index.ts";
import { pruneUntagged } from "../../images/index.ts";
import type { Command } from "../command.ts";
import { ExitCode } from "../exit-code.ts";
import { describeFlags, parseFlags, usageError } from "../flags.ts";
import { byteSize, duration, humanSize } from "../values.ts";
import { printableJson } from "../printable.ts";
import { storeOf, wantsJson } from "./common.ts";

const FLAGS = {
  all: { kind: "boolean", short: "a", help: "Also remove records that images share, and internal records" },
  images: { kind: "boolean", help: "Also remove images without a name that no other image was built from" },
  filter: { kind: "many", value: "FILTER", help: "Remove only matching records, such as type==exec.cachemount" },
  "keep-duration": { kind: "string", value: "TIME", help: "Keep records that were used within this time, such as 48h" },
  "keep-storage": { kind: "string", value: "SIZE", help: "Stop when the cache is smaller than this" },
  "max-used-space": { kind: "string", value: "SIZE", help: "Same as --keep-storage" },
  "reserved-space": { kind: "string", value: "SIZE", help: "Keep at least this much cache" },
  "min-free-space": { kind: "string", value: "SIZE", help: "Continue until this much disk space is free" },
  force: { kind: "boolean", short: "f", help: "Accepted for compatibility with docker; varve never asks" },
  format: { kind: "string", value: "json", help: "Print JSON" },
} as const;

export const command: Command = {
  summary: "Remove unused cache",
  help: `Usage: varve prune [OPTIONS]\n\nRemove records of the cache that no image and no running build needs. Images stay, unless --images is given.\n\n${describeFlags(FLAGS)}\n\nExample: varve prune --keep-duration 48h --keep-storage 10g\n`,
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
      { signal: context.signal },
    );
    if (json) await context.stdout.write(`${printableJson({ ...report, images })}\n`);
    else
      await context.stdout.write(
        `${images.map((id) => `${id}\n`).join("")}${report.records.map(({ id, size }) => `${id}\t${humanSize(size)}\n`).join("")}Total:\t${humanSize(report.reclaimed)}\n`,
      );
    return ExitCode.done;
  },
};
