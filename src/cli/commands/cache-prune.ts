import { pruneCacheTarget } from "../../caches/index.ts";
import type { Command } from "../command.ts";
import { ExitCode } from "../exit-code.ts";
import { describeFlags, parseFlags, usageError } from "../flags.ts";
import { printableJson } from "../printable.ts";
import { duration, humanSize } from "../values.ts";
import { withEnvironment } from "./cache-environment.ts";
import { cachePlaceOf } from "./cache-place.ts";
import { FORMAT, expectArgs, storeOf, wantsJson } from "./common.ts";

const FLAGS = {
  target: { kind: "string", value: "CACHE", help: "Reference, directory, or attributes as for build --cache-to" },
  "keep-generations": { kind: "string", value: "N", help: "Number of exports to keep of each scope (default 1)" },
  "keep-scope": { kind: "many", value: "SCOPE", help: "Keep only the given scopes" },
  "keep-duration": {
    kind: "string",
    value: "TIME",
    help: "Keep exports with a result that is newer than this, such as 48h",
  },
  "delete-blobs": {
    kind: "boolean",
    help: "In a registry, also delete blobs that no tag refers to (may break images that are used by digest only)",
  },
  format: FORMAT,
} as const;
const USAGE = "varve cache prune --target CACHE";

export const command: Command = {
  summary: "Remove old exports from a cache in a registry, a directory or a bucket",
  help: `Usage: ${USAGE} [OPTIONS]

To prune this root's own cache, use varve prune.

${describeFlags(FLAGS)}

Example: varve cache prune --target registry.example.com/team/app:cache --keep-generations 1 --keep-duration 30d
`,
  run: async (argv, context) => {
    const { flags, args } = parseFlags(argv, FLAGS);
    expectArgs(args, 0, 0, USAGE);
    if (flags.target === undefined) throw usageError(`Cannot prune cache: expected ${USAGE}`);
    const json = wantsJson(flags.format);
    const spec = await withEnvironment(cachePlaceOf(flags.target, "dest"), context);
    const kept = flags["keep-duration"];
    const request = {
      scopes: flags["keep-scope"],
      deleteBlobs: flags["delete-blobs"],
      signal: context.signal,
      ...generationsOf(flags["keep-generations"]),
      ...(kept === undefined ? {} : { keepDuration: duration("keep-duration", kept) }),
    };
    await using store = await storeOf(context);
    const pruned = await pruneCacheTarget(store, spec, request);
    const { generations, records, blobs, bytes } = pruned;
    await context.stdout.write(
      json
        ? `${printableJson(pruned)}\n`
        : `Exports:\t${generations}\nRecords:\t${records}\nBlobs:\t${blobs}\t${humanSize(bytes)}\n`,
    );
    return ExitCode.done;
  },
};

function generationsOf(text: string | undefined): { readonly generations?: number | undefined } {
  if (text === undefined) return {};
  if (/^[1-9]\d{0,5}$/.test(text)) return { generations: Number(text) };
  throw usageError(`Cannot read --keep-generations ${JSON.stringify(text)}: expected a number of at least 1`);
}
