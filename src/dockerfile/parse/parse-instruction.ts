import { goQuote } from "../../core/index.ts";
import { trimSpace } from "../../pattern/index.ts";
import { fault } from "../source/fault.ts";
import { parseFlags } from "./flags.ts";
import type {
  ArgDefinition,
  ArgInstruction,
  Instruction,
  InstructionBase,
  KeyValue,
  OnbuildInstruction,
  Stage,
} from "./instruction.ts";
import type { Linter } from "../lint/lint.ts";
import { lintDescription, lintFrom } from "../lint/stages.ts";
import { parseAdd, parseCopy } from "./parse-copy.ts";
import { readPolicy } from "./policy.ts";
import { commandLine, parseHealthcheck, parseRun } from "./parse-run.ts";
import { shownText } from "../source/shown-text.ts";
import { KEYWORDS, type Statement } from "./statement.ts";
import { didYouMean, suggestionAnyCase } from "./suggest.ts";

type Parse<T> = (statement: Statement, base: InstructionBase) => T;

function noFlags(statement: Statement): void {
  parseFlags(statement.flags, {});
}

function oneArgument(statement: Statement, command: string): string {
  const [argument] = statement.args;
  if (argument === undefined || statement.args.length !== 1) throw fault(`${command} requires exactly one argument`);
  return argument;
}

function someArguments(statement: Statement, command: string): void {
  if (statement.args.length === 0) throw fault(`${command} requires at least one argument`);
}

function pairs(statement: Statement, command: string): readonly KeyValue[] {
  noFlags(statement);
  if (statement.pairs.length === 0) throw fault(`${command} requires at least one argument`);
  if (statement.pairs.some(({ key }) => key === "")) throw fault(`${command} names can not be blank`);
  return statement.pairs;
}

/** Returns the text of the comment `<name> <text>`. Empty if there is none. */
function describe(comments: readonly string[], name: string): string {
  if (name === "") return "";
  return comments.find((comment) => comment.startsWith(`${name} `))?.slice(name.length + 1) ?? "";
}

const parseArg: Parse<ArgInstruction> = (statement, base) => {
  someArguments(statement, "ARG");
  const args = statement.args.map((argument): ArgDefinition => {
    const equals = argument.indexOf("=");
    const key = equals < 0 ? argument : argument.slice(0, equals);
    if (key === "") throw fault("ARG names can not be blank", argument);
    const value = equals < 0 ? undefined : argument.slice(equals + 1);
    return { key, value, description: describe(statement.comments, key) };
  });
  return { kind: "arg", ...base, args };
};

const parseOnbuild: Parse<OnbuildInstruction> = (statement, base) => {
  someArguments(statement, "ONBUILD");
  noFlags(statement);
  const trigger = trimSpace(statement.args[0] ?? "").toUpperCase();
  if (trigger === "ONBUILD") throw fault("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
  if (trigger === "MAINTAINER" || trigger === "FROM") throw fault(`${trigger} isn't allowed as an ONBUILD trigger`);
  const text = statement.original.replace(/^\s*ONBUILD\s*/i, "");
  const bodies = statement.heredocs.map(({ content, name }) => `\n${content}${name}`);
  return { kind: "onbuild", ...base, expression: text + bodies.join("") };
};

const PARSERS: ReadonlyMap<string, Parse<Instruction>> = new Map<string, Parse<Instruction>>([
  ["add", parseAdd],
  ["arg", parseArg],
  [
    "cmd",
    (statement, base) => {
      noFlags(statement);
      return { kind: "cmd", ...base, command: commandLine(statement) };
    },
  ],
  ["copy", parseCopy],
  [
    "entrypoint",
    (statement, base) => {
      noFlags(statement);
      return { kind: "entrypoint", ...base, command: commandLine(statement) };
    },
  ],
  ["env", (statement, base) => ({ kind: "env", ...base, variables: pairs(statement, "ENV") })],
  [
    "expose",
    (statement, base) => {
      someArguments(statement, "EXPOSE");
      noFlags(statement);
      return { kind: "expose", ...base, ports: [...statement.args].sort() };
    },
  ],
  ["healthcheck", parseHealthcheck],
  ["label", (statement, base) => ({ kind: "label", ...base, labels: pairs(statement, "LABEL") })],
  [
    "maintainer",
    (statement, base) => {
      const name = oneArgument(statement, "MAINTAINER");
      noFlags(statement);
      return { kind: "maintainer", ...base, name };
    },
  ],
  ["onbuild", parseOnbuild],
  ["run", parseRun],
  [
    "shell",
    (statement, base) => {
      noFlags(statement);
      someArguments(statement, "SHELL");
      if (!statement.json) throw fault("SHELL requires the arguments to be in JSON form");
      return { kind: "shell", ...base, shell: statement.args };
    },
  ],
  ["stopsignal", (statement, base) => ({ kind: "stopsignal", ...base, signal: oneArgument(statement, "STOPSIGNAL") })],
  [
    "user",
    (statement, base) => {
      const user = oneArgument(statement, "USER");
      noFlags(statement);
      return { kind: "user", ...base, user };
    },
  ],
  [
    "volume",
    (statement, base) => {
      someArguments(statement, "VOLUME");
      noFlags(statement);
      const volumes = statement.args.map(trimSpace);
      if (volumes.includes("")) throw fault("VOLUME specified can not be an empty string");
      return { kind: "volume", ...base, volumes };
    },
  ],
  [
    "workdir",
    (statement, base) => {
      const path = oneArgument(statement, "WORKDIR");
      noFlags(statement);
      return { kind: "workdir", ...base, path };
    },
  ],
]);

const STAGE_NAME = /^[a-z][a-z0-9_.-]*$/;

function stageName(args: readonly string[]): string {
  if (args.length === 1) return "";
  const [, as, name = ""] = args;
  if (args.length !== 3 || as?.toLowerCase() !== "as") throw fault("FROM requires either one or three arguments");
  const lower = name.toLowerCase();
  if (STAGE_NAME.test(lower)) return lower;
  const why = "name can't start with a number or contain symbols";
  throw fault(`invalid name for build stage: ${goQuote(name)}, ${why}`, name);
}

function parseFrom(statement: Statement, base: InstructionBase): Omit<Stage, "instructions"> {
  const name = stageName(statement.args);
  const flags = parseFlags(statement.flags, { platform: "value" });
  return {
    kind: "from",
    ...base,
    name,
    base: statement.args[0] ?? "",
    platform: flags.value("platform"),
    description: describe(statement.comments, name),
  };
}

function lintInstruction(
  parsed: Instruction | Omit<Stage, "instructions">,
  args: readonly string[],
  linter: Linter,
): void {
  if (parsed.kind === "from") {
    lintFrom(parsed.keyword, args, parsed.range, linter);
    if (parsed.name !== "") lintDescription("FROM", [parsed.name], parsed, linter);
  } else if (parsed.kind === "arg") {
    const keys = parsed.args.map(({ key }) => key);
    lintDescription("ARG", keys, parsed, linter);
  } else if (parsed.kind === "maintainer") {
    const message = "Maintainer instruction is deprecated in favor of using label";
    linter.warn("MaintainerDeprecated", parsed.range, message);
  }
}

/** Converts a statement to an instruction. Throws `invalid-build` without a location. */
export function parseInstruction(statement: Statement, linter: Linter): Instruction | Omit<Stage, "instructions"> {
  const { keyword, code, range, comments } = statement;
  const policy = readPolicy(statement, linter.withComments(comments));
  const base: InstructionBase = { keyword, code, range, comments, ...(policy === undefined ? {} : { policy }) };
  const name = keyword.toLowerCase();
  const parse = name === "from" ? parseFrom : PARSERS.get(name);
  if (parse === undefined) {
    const hint = didYouMean(suggestionAnyCase(keyword, KEYWORDS));
    throw fault(`unknown instruction: ${shownText(keyword)}${hint}`, keyword);
  }
  const parsed = parse(statement, base);
  lintInstruction(parsed, statement.args, linter.withComments(comments));
  return parsed;
}
