import {
  type BuildPlan,
  type PlanBuildOptions,
  type PlanStep,
  type ServedBuild,
  servePlan,
} from "../../engine/index.ts";
import type { CommandContext } from "../command.ts";
import { ExitCode } from "../exit-code.ts";
import { usageError } from "../flags.ts";
import { printableJson } from "../printable.ts";
import { loadSettings } from "../settings.ts";
import { humanAge, humanSize } from "../values.ts";
import { type Row, table } from "../table.ts";
import { wantsJson } from "./common.ts";

interface PlanFlags {
  readonly plan: string | undefined;
  readonly format: string | undefined;
}

/** Prints what a build would do. Returns 0, or with `--plan=check` 1 unless all steps are cached. */
export async function printPlan(
  { plan: mode, format }: PlanFlags,
  options: Omit<PlanBuildOptions, "store">,
  served: ServedBuild,
  context: CommandContext,
): Promise<number> {
  if (mode !== "" && mode !== "check") throw usageError(`Cannot plan ${JSON.stringify(mode)}: expected check`);
  const isJson = wantsJson(format);
  const { store } = await loadSettings(context);
  const root = context.serverStore?.root ?? store.root;
  const plan = await servePlan({ ...options, store: { ...store, root }, signal: context.signal }, served);
  const text = `${table(plan.steps.map(rowOf))}${plan.steps.length === 0 ? "" : "\n"}${summary(plan)}\n`;
  await context.stdout.write(isJson ? `${printableJson(plan)}\n` : text);
  const { misses, unknown } = plan.totals;
  return mode === "check" && misses + unknown > 0 ? ExitCode.stepFailed : ExitCode.done;
}

function rowOf({ name, outcome }: PlanStep): Row {
  return { PLAN: outcome.kind === "unneeded" ? "not needed" : outcome.kind, STEP: name, DETAIL: detailOf(outcome) };
}

function detailOf(outcome: PlanStep["outcome"]): string {
  switch (outcome.kind) {
    case "hit": {
      const size = outcome.fetchBytes === 0 ? "" : `, ${humanSize(outcome.fetchBytes)} to fetch`;
      return `${outcome.cache}, ${humanAge(Date.now() - outcome.createdAt)}${size}`;
    }
    case "miss":
      return [outcome.text, took(outcome.lastMs)].filter((part) => part !== "").join("; ");
    case "unknown": {
      const on = outcome.on.length === 0 ? "a download" : `the result of ${outcome.on.join(", ")}`;
      return [`depends on ${on}`, took(outcome.lastMs)].filter((part) => part !== "").join("; ");
    }
    case "unneeded":
      return "";
  }
}

function took(ms: number | undefined): string {
  return ms === undefined ? "" : `took ${seconds(ms)} last time`;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

function summary({ totals }: BuildPlan): string {
  const { hits, misses, unknown, fetchBytes, lastMs } = totals;
  const parts = [
    `${hits} hit${hits === 1 ? "" : "s"}, ${misses} miss${misses === 1 ? "" : "es"}, ${unknown} unknown`,
    ...(fetchBytes === 0 ? [] : [`up to ${humanSize(fetchBytes)} to fetch`]),
    ...(lastMs === 0 ? [] : [`the misses took ${seconds(lastMs)} last time`]),
  ];
  return parts.join("; ");
}
