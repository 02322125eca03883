import { type Store, type StoreOptions, openStore } from "../../engine/index.ts";
import type { CommandContext } from "../command.ts";
import { type Flag, usageError } from "../flags.ts";
import { printableJson } from "../printable.ts";
import { type Row, table } from "../table.ts";
import { loadSettings } from "../settings.ts";

export const FORMAT: Flag = { kind: "string", value: "json", help: "Print JSON with every field instead of a table" };

/**
 * Opens the store that the command line and the configuration name; `adjust` has the last word on its options. Commands that a server
 * runs share its store as it is.
 */
export async function storeOf(
  context: CommandContext,
  adjust: (options: StoreOptions) => StoreOptions = (options) => options,
): Promise<Store> {
  const { serverStore } = context;
  if (serverStore !== undefined) return { ...serverStore, [Symbol.asyncDispose]: () => Promise.resolve() };
  const settings = await loadSettings(context);
  return await openStore(adjust(settings.store));
}

/** Throws a usage error unless there are between `least` and `most` arguments. */
export function expectArgs(args: readonly string[], least: number, most: number, usage: string): void {
  if (args.length < least || args.length > most) throw usageError(`Cannot run: expected ${usage}`);
}

/** Reads `--format`: true for `json`, false for `table` or if it is absent. */
export function wantsJson(format: string | undefined): boolean {
  if (format !== undefined && format !== "json" && format !== "table")
    throw usageError(`Cannot print as ${JSON.stringify(format)}: expected table or json`);
  return format === "json";
}

/** Prints a listing as a table, or as JSON when `--format json` asks for it. */
export async function printRows<T extends object>(
  rows: readonly T[],
  format: string | undefined,
  columns: (row: T) => Row,
  { stdout }: CommandContext,
): Promise<void> {
  await stdout.write(wantsJson(format) ? `${printableJson(rows)}\n` : table(rows.map(columns)));
}

/** Resolves when the command is interrupted. */
export async function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => resolve(), { once: true });
  await promise;
}
