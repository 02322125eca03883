import { type CacheEntry, type CacheListing, listCache, listRemoteCache } from "../../caches/index.ts";
import type { Command, CommandContext } from "../command.ts";
import { ExitCode } from "../exit-code.ts";
import { describeFlags, parseFlags } from "../flags.ts";
import { printableJson } from "../printable.ts";
import { table } from "../table.ts";
import { humanAge, humanSize } from "../values.ts";
import { withEnvironment } from "./cache-environment.ts";
import { cachePlaceOf } from "./cache-place.ts";
import { FORMAT, expectArgs, storeOf, wantsJson } from "./common.ts";
import { warner } from "./cache-warnings.ts";

const FLAGS = { format: FORMAT } as const;
const USAGE = "varve cache ls [REF|DIR|type=…]";
/** Maximum number of characters of a step in the table. */
const WIDTH = 60;
/** Maximum size in bytes of a config that BuildKit reads. */
const READABLE = 1_048_576;

export const command: Command = {
  summary: "List the records of a cache",
  help: `Usage: ${USAGE} [OPTIONS]

List the records of this root's cache, or of the cache that is given as for build --cache-from: the step of each record,
its inputs and layers, and whether this root has it (lazy means that the layers are not downloaded yet).

${describeFlags(FLAGS)}

Example: varve cache ls registry.example.com/team/app:cache
`,
  run: async (argv, context) => {
    const { flags, args } = parseFlags(argv, FLAGS);
    expectArgs(args, 0, 1, USAGE);
    const [place] = args;
    const json = wantsJson(flags.format);
    const spec = place === undefined ? undefined : await withEnvironment(cachePlaceOf(place, "src"), context);
    await using store = await storeOf(context);
    const { signal } = context;
    const onWarning = warner(context);
    const listing =
      spec === undefined ? await listCache(store, signal) : await listRemoteCache(store, spec, { signal, onWarning });
    await context.stdout.write(json ? `${printableJson(listing)}\n` : text(listing));
    tellSize(listing, context);
    return ExitCode.done;
  },
};

function text({ entries, scopes, size, configSize }: CacheListing): string {
  const now = Date.now();
  const exports = scopes.map((scope) => ({
    SCOPE: `${scope.scope === "" ? "<none>" : shortened(scope.scope)}${scope.partial ? " (unfinished)" : ""}`,
    EXPORTED: humanAge(now - scope.createdAt),
    ENTRIES: String(scope.entries),
    SIZE: humanSize(scope.size),
  }));
  const config = configSize === undefined ? "" : `Config:\t${humanSize(configSize)}\n`;
  const rows = table(entries.map((entry) => row(entry, now)));
  const total = `Entries:\t${entries.length}\nTotal:\t${humanSize(size)}\n${config}`;
  return [rows, table(exports), total].filter((part) => part !== "").join("\n");
}

function row(entry: CacheEntry, now: number): Record<string, string> {
  return {
    RECORD: shortened(entry.record),
    STEP: shortened(entry.step ?? "<unknown>"),
    INPUTS: String(entry.inputs.length),
    LAYERS: String(entry.layers),
    SIZE: humanSize(entry.size),
    CREATED: humanAge(now - entry.createdAt),
    HERE: entry.here,
    FROM: entry.sources.join(", "),
  };
}

function shortened(text: string): string {
  if (/^sha256:[0-9a-f]{64}$/.test(text)) return text.slice(7, 19);
  return text.length > WIDTH ? `${text.slice(0, WIDTH - 1)}…` : text;
}

function tellSize({ name, configSize = 0 }: CacheListing, context: CommandContext): void {
  if (configSize > READABLE)
    warner(context)(
      `The config of ${name} has ${configSize} bytes: BuildKit reads no more than ${READABLE}, Varve does`,
    );
}
