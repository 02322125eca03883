import { type Store, openStore } from "../../engine/index.ts";
import type { CommandContext } from "../command.ts";
import { type Flag, usageError } from "../flags.ts";
import { printableJson } from "../printable.ts";
import { type Row, table } from "../table.ts";
import { loadSettings } from "../settings.ts";

export const FORMAT: Flag = { kind: "string", value: "json", help: "Print JSON with every field instead of a table" };

/** Opens the store that the command line and the configuration name. */
export async function storeOf(context: CommandContext): Promise<Store> {
  const settings = await loadSettings(context);
  return await openStore(settings.store);
}

/** Exactly so many arguments, or a usage error that shows how. */
export function expectArgs(args: readonly string[], least: number, most: number, usage: string): void {
  if (args.length < least || args.length > most) throw usageError(`Cannot run: expected ${usage}`);
}

/** What `--format` asks for: JSON, or what people read. */
export function wantsJson(format: string | undefined): boolean {
  if (format !== undefined && format !== "json" && format !== "table")
    throw usageError(`Cannot print as ${JSON.stringify(format)}: there are table and json`);
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
