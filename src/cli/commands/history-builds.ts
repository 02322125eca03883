import { basename } from "node:path";
import { BuildHistory, type BuildRecord, statusOf } from "../../history/index.ts";
import type { Command } from "../command.ts";
import { ExitCode } from "../exit-code.ts";
import { describeFlags, parseFlags, usageError } from "../flags.ts";
import { humanAge } from "../values.ts";
import { FORMAT, expectArgs, printRows, storeOf } from "./common.ts";

const FLAGS = {
  filter: { kind: "many", value: "FILTER", help: "List only matching builds, such as status==error or startedAt>24h" },
  limit: { kind: "string", value: "N", help: "List only the N newest builds" },
  format: FORMAT,
} as const;

export const command: Command = {
  summary: "List builds that have ended",
  help: `Usage: varve history builds [OPTIONS]

List builds that have ended, the newest first

${describeFlags(FLAGS)}

Example: varve history builds --filter status==error
`,
  run: async (argv, context) => {
    const { flags, args } = parseFlags(argv, FLAGS);
    expectArgs(args, 0, 0, "varve history builds");
    await using store = await storeOf(context);
    const limit = flags.limit === undefined ? 0 : limitOf(flags.limit);
    const records = new BuildHistory(store.state).list({ filters: flags.filter, limit });
    await printRows(records.map(viewOf), flags.format, rowOf, context);
    return ExitCode.done;
  },
};

function limitOf(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw usageError(`Cannot list ${JSON.stringify(text)} builds: expected a number`);
  return Number(text);
}

/** A build as `--format json` prints it. */
interface BuildView {
  readonly ref: string;
  readonly name: string;
  readonly status: string;
  readonly createdAt: string;
  readonly completedAt: string;
  readonly durationMs: number;
  readonly steps: BuildRecord["steps"];
  readonly warnings: number;
  readonly error: string | null;
  /** What the exporters wrote. */
  readonly digests: readonly string[];
  readonly frontend: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly exporters: readonly { readonly type: string; readonly attributes: Readonly<Record<string, string>> }[];
  readonly pinned: boolean;
}

function viewOf(record: BuildRecord): BuildView {
  const { ref, createdAt, completedAt = createdAt, steps, warnings, error, frontend, attributes } = record;
  return {
    ref,
    name: nameOf(record),
    status: statusOf(record),
    createdAt: new Date(createdAt).toISOString(),
    completedAt: new Date(completedAt).toISOString(),
    durationMs: completedAt - createdAt,
    steps,
    warnings,
    error: error?.message ?? null,
    digests: [...(record.result?.exports.values() ?? [])].map(({ digest }) => digest),
    frontend,
    attributes: Object.fromEntries(attributes),
    exporters: record.exporters.map(({ type, attributes: own }) => ({ type, attributes: Object.fromEntries(own) })),
    pinned: record.isPinned,
  };
}

function rowOf({ ref, name, status, createdAt, durationMs, steps }: BuildView): Record<string, string> {
  return {
    "BUILD ID": ref,
    NAME: name,
    STATUS: status,
    CREATED: humanAge(Date.now() - Date.parse(createdAt)),
    DURATION: `${(durationMs / 1000).toFixed(1)}s`,
    CACHED: `${steps.cached} of ${steps.total}`,
  };
}

/** Returns the name that the client gave the build, else the last part of its context and its target, as buildx does. */
function nameOf({ attributes }: BuildRecord): string {
  const given = attributes.get("build-arg:BUILDKIT_BUILD_NAME");
  if (given !== undefined && given !== "") return given;
  const context =
    ["context", "vcs:localdir:context", "vcs:source"].map((key) => attributes.get(key)).find(Boolean) ?? "";
  const target = attributes.get("target");
  return [basename(context), ...(target === undefined ? [] : [`(${target})`])].filter((part) => part !== "").join(" ");
}
