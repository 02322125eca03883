import { type Store, openStore } from "../../build/index.ts";
import type { CommandContext } from "../command.ts";
import { type Flag, usageError } from "../flags.ts";
import { type Row, table } from "../table.ts";
import { loadSettings } from "../settings.ts";

export const FORMAT: Flag = { kind: "string", value: "json", help: "json prints every field; a table otherwise" };

/** Opens the store that the command line and the configuration name. */
export async function storeOf(context: CommandContext): Promise<Store> {
  const settings = await loadSettings(context);
  return await openStore(settings.store);
}

/** Exactly so many arguments, or a usage error that shows how. */
export function expectArgs(args: readonly string[], least: number, most: number, usage: string): void {
  if (args.length < least || args.length > most) throw usageError(`Cannot run: expected ${usage}`);
}

/** Prints a listing as a table, or as JSON when `--format json` asks for it. */
export async function printRows<T extends object>(
  rows: readonly T[],
  format: string | undefined,
  columns: (row: T) => Row,
  { stdout }: CommandContext,
): Promise<void> {
  if (format !== undefined && format !== "json" && format !== "table")
    throw usageError(`Cannot print as ${JSON.stringify(format)}: there are table and json`);
  await stdout.write(format === "json" ? `${JSON.stringify(rows, undefined, 2)}\n` : table(rows.map(columns)));
}
