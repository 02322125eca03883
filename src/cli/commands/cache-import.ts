import { type ImportReport, importCache } from "../../caches/index.ts";
import type { Command } from "../command.ts";
import { ExitCode } from "../exit-code.ts";
import { describeFlags, parseFlags } from "../flags.ts";
import { printableJson } from "../printable.ts";
import { table } from "../table.ts";
import { humanSize } from "../values.ts";
import { withEnvironment } from "./cache-environment.ts";
import { cachePlaceOf } from "./cache-place.ts";
import { warner } from "./cache-warnings.ts";
import { FORMAT, expectArgs, storeOf, wantsJson } from "./common.ts";

const FLAGS = {
  fetch: { kind: "boolean", help: "Download the layers now (default when a build first reads them)" },
  format: FORMAT,
} as const;
const USAGE = "varve cache import REF|DIR|type=…";

export const command: Command = {
  summary: "Import a cache from a registry, a directory or a bucket",
  help: `Usage: ${USAGE}… [OPTIONS]

Copy the records of a cache to this root. Later builds find them without --cache-from. The exit code is 4 if layers
could not be downloaded.

${describeFlags(FLAGS)}

Example: varve cache import --fetch registry.example.com/team/app:cache
`,
  run: async (argv, context) => {
    const { flags, args } = parseFlags(argv, FLAGS);
    expectArgs(args, 1, Infinity, USAGE);
    const json = wantsJson(flags.format);
    const specs = await Promise.all(args.map((place) => withEnvironment(cachePlaceOf(place, "src"), context)));
    await using store = await storeOf(context);
    const options = { signal: context.signal, onWarning: warner(context), fetch: flags.fetch };
    const reports: ImportReport[] = [];
    for (const spec of specs) reports.push(await importCache(store, spec, options));
    await context.stdout.write(json ? `${printableJson(reports)}\n` : table(reports.map(row)));
    return reports.some(({ lost }) => lost > 0) ? ExitCode.remote : ExitCode.done;
  },
};

function row({ name, added, known, fetched, bytes }: ImportReport): Record<string, string> {
  return {
    CACHE: name,
    NEW: String(added),
    KNOWN: String(known),
    "LAYERS FETCHED": String(fetched),
    SIZE: humanSize(bytes),
  };
}
