import { exportCache } from "../../caches/index.ts";
import type { Command } from "../command.ts";
import { ExitCode } from "../exit-code.ts";
import { describeFlags, parseFlags, usageError } from "../flags.ts";
import { printableJson } from "../printable.ts";
import { withEnvironment } from "./cache-environment.ts";
import { cachePlaceOf } from "./cache-place.ts";
import { warner } from "./cache-warnings.ts";
import { FORMAT, expectArgs, storeOf, wantsJson } from "./common.ts";

const FLAGS = {
  to: { kind: "string", value: "CACHE", help: "Reference, directory, or attributes as for build --cache-to" },
  mode: {
    kind: "string",
    value: "min|max",
    help: "Export the layers of all steps (max, the default) or of results only (min)",
  },
  format: FORMAT,
} as const;
const USAGE = "varve cache export --to CACHE";

export const command: Command = {
  summary: "Export the cache to a registry, a directory or a bucket",
  help: `Usage: ${USAGE} [OPTIONS]

Export the whole cache of this root. Exports of other scopes in the target stay: machines that share a target
each use a scope of their own, scope=NAME.

${describeFlags(FLAGS)}

Example: varve cache export --to type=registry,ref=registry.example.com/team/app:cache,scope=ci-1
`,
  run: async (argv, context) => {
    const { flags, args } = parseFlags(argv, FLAGS);
    expectArgs(args, 0, 0, USAGE);
    if (flags.to === undefined) throw usageError(`Cannot export cache: expected ${USAGE}`);
    if (flags.mode !== undefined && flags.mode !== "min" && flags.mode !== "max")
      throw usageError(`Cannot export cache: --mode must be min or max, not ${JSON.stringify(flags.mode)}`);
    const json = wantsJson(flags.format);
    const { type, attrs } = await withEnvironment(cachePlaceOf(flags.to, "dest"), context);
    await using store = await storeOf(context);
    const spec = { type, attrs: flags.mode === undefined ? attrs : { ...attrs, mode: flags.mode } };
    const report = await exportCache(store, spec, { signal: context.signal, onWarning: warner(context) });
    if (json) await context.stdout.write(`${printableJson(report)}\n`);
    else if (report.descriptor === undefined) await context.stdout.write("Nothing to export: no record has a result\n");
    else await context.stdout.write(`${report.name}\t${report.descriptor.digest}\n`);
    return ExitCode.done;
  },
};
