import type { VarveError } from "../core/index.ts";
import type { LintWarning } from "../dockerfile/index.ts";
import { checkDockerfile, listTargets, outline } from "../frontend/index.ts";
import { absolutePaths } from "./absolute-paths.ts";
import { loadBuild } from "./build.ts";
import type { BuildOptions } from "./options.ts";
import { Session } from "./session.ts";

export const DESCRIPTIONS = ["check", "outline", "targets"] as const;
export type DescriptionKind = (typeof DESCRIPTIONS)[number];

/** What is said of a Dockerfile without building it. `ok` is false if a check failed or warned. */
export interface Description {
  readonly text: string;
  readonly ok: boolean;
}

/** The answers to `--call check`, `outline` and `targets`, as text. No step is run. */
export async function describeDockerfile(options: BuildOptions, kind: DescriptionKind): Promise<Description> {
  return await describe(absolutePaths(options), kind);
}

async function describe(options: BuildOptions, kind: DescriptionKind): Promise<Description> {
  await using stack = new AsyncDisposableStack();
  const session = stack.use(await Session.open(options));
  const { file, options: compile } = await loadBuild(options, session, stack);
  switch (kind) {
    case "targets":
      return {
        ok: true,
        text: columns([
          ["TARGET", "DESCRIPTION"],
          ...listTargets(file).map(({ name, description, isDefault }, index) => [
            `${name === "" ? String(index) : name}${isDefault ? " (default)" : ""}`,
            description,
          ]),
        ]),
      };
    case "outline": {
      const { name, description, args, secrets, ssh } = await outline(file, compile, session.host, options.signal);
      const title =
        name === "" ? "" : `TARGET:      ${name}\n${description === "" ? "" : `DESCRIPTION: ${description}\n`}\n`;
      const parts = [
        args.length === 0
          ? ""
          : columns([
              ["BUILD ARG", "VALUE", "DESCRIPTION"],
              ...args.map((arg) => [arg.name, arg.value ?? "", arg.description]),
            ]),
        secrets.length === 0
          ? ""
          : columns([["SECRET", "REQUIRED"], ...secrets.map((secret) => [secret.name, String(secret.required)])]),
        ssh.length === 0
          ? ""
          : columns([["SSH", "REQUIRED"], ...ssh.map((agent) => [agent.name, String(agent.required)])]),
      ];
      return { ok: true, text: title + parts.filter((part) => part !== "").join("\n") };
    }
    case "check": {
      const { warnings, error } = await checkDockerfile(file, compile, session.host, options.signal);
      const found = warnings.map((warning) => warningText(warning, file.source.name)).join("\n");
      const failure = error === undefined ? "" : failureText(error);
      const summary =
        warnings.length === 0 && error === undefined
          ? "Check complete, no warnings found.\n"
          : `Check complete, ${warnings.length} warning${warnings.length === 1 ? " has" : "s have"} been found!\n\n`;
      return { ok: warnings.length === 0 && error === undefined, text: summary + found + failure };
    }
  }
}

function warningText({ rule, url, message, range }: LintWarning, name: string): string {
  return `WARNING: ${rule}${url === "" ? "" : ` - ${url}`}\n${message}\n${name}:${range.start.line}\n`;
}

function failureText({ message, details }: VarveError): string {
  const { snippet } = details;
  return typeof snippet === "string" ? `${snippet}\n${message}\n` : `${message}\n`;
}

function columns(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map(
      (row) =>
        `${row.map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd((widths[column] ?? 0) + 3))).join("")}\n`,
    )
    .join("");
}
