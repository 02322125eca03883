import type { VarveError } from "../../core/index.ts";
import { type LintWarning, type SourceFile, snippet } from "../../dockerfile/index.ts";
import type { CheckResult, Outline, TargetInfo } from "../../frontend/index.ts";

export function targetsText(targets: readonly TargetInfo[]): string {
  const rows = targets.map(({ name, description, isDefault }, index) => {
    return [`${name === "" ? String(index) : name}${isDefault ? " (default)" : ""}`, description];
  });
  return columns([["TARGET", "DESCRIPTION"], ...rows]);
}

export function outlineText({ name, description, args, secrets, ssh, missing }: Outline): string {
  const title = [
    ...(name === "" ? [] : [`TARGET:      ${name}\n`]),
    ...(description === "" ? [] : [`DESCRIPTION: ${description}\n`]),
  ].join("");
  const parts = [
    title,
    table(
      ["BUILD ARG", "VALUE", "DESCRIPTION"],
      args.map((arg) => [arg.name, arg.value ?? "", arg.description]),
    ),
    table(
      ["SECRET", "REQUIRED"],
      secrets.map((secret) => [secret.name, String(secret.required)]),
    ),
    table(
      ["SSH", "REQUIRED"],
      ssh.map((agent) => [agent.name, String(agent.required)]),
    ),
    missingText(missing, "Not shown: arguments, secrets and agents that the ONBUILD instructions of these images use."),
  ];
  return parts.filter((part) => part !== "").join("\n");
}

/** Formats warnings, sorted by line, as BuildKit's clients do. Quotes the lines of `source` if it is given. */
export function checkText({ warnings, missing, error }: CheckResult, source?: SourceFile): string {
  const name = source?.name ?? fileOf(error);
  const byLine = warnings.toSorted((a, b) => a.range.start.line - b.range.start.line);
  const parts = [
    summary(warnings.length, error === undefined && missing.length === 0),
    ...byLine.map((warning) => warningText(warning, name, source)),
    missingText(missing, "Not checked: rules that depend on the configs of these images, such as undefined variables."),
    error === undefined ? "" : errorText(error),
  ];
  return parts.filter((part) => part !== "").join("\n");
}

function summary(count: number, isWhole: boolean): string {
  if (count === 0) return isWhole ? "Check complete, no warnings found.\n" : "Check incomplete, no warnings found.\n";
  return `Check ${isWhole ? "complete" : "incomplete"}, ${count} warning${count === 1 ? " has" : "s have"} been found!\n`;
}

function warningText({ rule, url, message, range }: LintWarning, name: string, source: SourceFile | undefined): string {
  const where = source === undefined ? `${name}:${range.start.line}` : snippet(source, range);
  return `WARNING: ${rule}${url === "" ? "" : ` - ${url}`}\n${message}\n${where}\n`;
}

function missingText(missing: readonly VarveError[], consequence: string): string {
  if (missing.length === 0) return "";
  return `${missing.map(errorText).join("\n")}${consequence}\n`;
}

function fileOf(error: VarveError | undefined): string {
  return error?.details.location?.file ?? "Dockerfile";
}

function errorText({ message, details }: VarveError): string {
  const { snippet: lines } = details;
  return typeof lines === "string" ? `${lines}\n${message}\n` : `${message}\n`;
}

function table(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  return rows.length === 0 ? "" : columns([titles, ...rows]);
}

function columns(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    row.map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd((widths[column] ?? 0) + 3))).join("");
  return rows.map((row) => `${line(row)}\n`).join("");
}
