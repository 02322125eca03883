import { trimSpace } from "../../pattern/index.ts";
import type { EscapeToken } from "../expand/expand.ts";
import { atRange, fault, nearOf } from "../source/fault.ts";
import { type Heredoc, heredocHeads } from "./heredoc.ts";
import type { LineReader, LogicalLine, PolicyComment } from "./line-reader.ts";
import type { SourceFile, SourceRange } from "../source/source.ts";
import { parseJsonForm } from "./json-form.ts";
import { type Pair, splitBlanks, splitLine, splitPairs, splitWords } from "./split.ts";

/** An instruction, split into keyword, flags and arguments. */
export interface Statement {
  readonly keyword: string;
  readonly flags: readonly string[];
  readonly args: readonly string[];
  /** The arguments of ENV and LABEL. */
  readonly pairs: readonly Pair[];
  /** The arguments were a JSON array. */
  readonly json: boolean;
  readonly heredocs: readonly Heredoc[];
  readonly code: string;
  /** `code` with the surrounding blanks. */
  readonly original: string;
  readonly range: SourceRange;
  readonly comments: readonly string[];
  readonly policies: readonly PolicyComment[];
}

interface Arguments {
  readonly args: readonly string[];
  readonly pairs?: readonly Pair[] | undefined;
  readonly json?: boolean | undefined;
  /** The instruction after ONBUILD. */
  readonly inner?: Line | undefined;
}

interface Line extends Arguments {
  readonly keyword: string;
  readonly flags: readonly string[];
}

type Split = (rest: string, escape: EscapeToken) => Arguments;

const oneText: Split = (rest) => ({ args: rest === "" ? [] : [rest] });
const blanks: Split = (rest) => ({ args: rest === "" ? [] : splitBlanks(rest) });
const commandLine: Split = (rest) => {
  const json = rest === "" ? undefined : parseJsonForm(rest);
  return json === undefined ? oneText(rest, "\\") : { args: json, json: true };
};
const list: Split = (rest) => {
  const json = parseJsonForm(rest);
  return json === undefined ? blanks(rest, "\\") : { args: json, json: true };
};
const healthcheck: Split = (rest, escape) => {
  const [type = ""] = rest.split(/\s/, 1);
  if (type === "") return { args: [] };
  const { args, json = false } = commandLine(trimSpace(rest.slice(type.length)), escape);
  return { args: [type, ...args], json };
};
/** The arguments of ONBUILD are an instruction, which `readLine` reads. */
const onbuild: Split = () => ({ args: [] });

const SPLITS: ReadonlyMap<string, Split> = new Map<string, Split>([
  ["add", list],
  ["arg", (rest, escape) => ({ args: splitWords(rest, escape) })],
  ["cmd", commandLine],
  ["copy", list],
  ["entrypoint", commandLine],
  ["env", (rest, escape) => ({ args: [], pairs: splitPairs(rest, "ENV", escape) })],
  ["expose", blanks],
  ["from", blanks],
  ["healthcheck", healthcheck],
  ["label", (rest, escape) => ({ args: [], pairs: splitPairs(rest, "LABEL", escape) })],
  ["maintainer", oneText],
  ["onbuild", onbuild],
  ["run", commandLine],
  ["shell", commandLine],
  ["stopsignal", oneText],
  ["user", oneText],
  ["volume", list],
  ["workdir", oneText],
]);

/** The keywords, in lower case. */
export const KEYWORDS: readonly string[] = [...SPLITS.keys()];

const MAX_ONBUILD = 20;
const TAKES_HEREDOC = new Set(["add", "copy", "run"]);

function readLine(text: string, escape: EscapeToken, depth = 0): Line {
  const { keyword, flags, rest } = splitLine(text, escape);
  if (keyword.toLowerCase() === "onbuild" && depth > MAX_ONBUILD) throw fault("ONBUILD is nested too deeply");
  const split = SPLITS.get(keyword.toLowerCase());
  if (split === onbuild && rest !== "") {
    const inner = readLine(rest, escape, depth + 1);
    return { keyword, flags, args: [inner.keyword, ...inner.args], inner };
  }
  return { keyword, flags, ...(split?.(rest, escape) ?? { args: [] }) };
}

function takesHeredoc(line: Line): boolean {
  const target = line.inner ?? line;
  return TAKES_HEREDOC.has(target.keyword.toLowerCase()) && target.json !== true;
}

/** Returns the range of the wrong text that an error names. If the line does not contain the text, returns the whole line. */
export function rangeOf(line: LogicalLine, error: unknown): SourceRange {
  const near = nearOf(error);
  const at = near === undefined ? -1 : line.text.indexOf(near);
  if (near === undefined || at < 0) return line.range;
  const last = line.position(at + near.length - 1);
  return { start: line.position(at), end: { line: last.line, column: last.column + 1 } };
}

function readStatement(reader: LineReader, line: LogicalLine): Statement {
  const parsed = readLine(line.text, reader.escape);
  const heads = takesHeredoc(parsed) && line.text.includes("<<") ? heredocHeads(line.text) : [];
  const heredocs = heads.map((head) => reader.heredoc(head, line.range.start.line));
  const lastLine = reader.file.lines[reader.line - 1] ?? "";
  const end = heredocs.length === 0 ? line.range.end : { line: reader.line, column: lastLine.length + 1 };
  return {
    keyword: parsed.keyword,
    flags: parsed.flags,
    args: parsed.args,
    pairs: parsed.pairs ?? [],
    json: parsed.json ?? false,
    heredocs,
    code: trimSpace(line.text),
    original: line.text,
    range: { start: line.range.start, end },
    comments: line.comments,
    policies: line.policies,
  };
}

/** Reads the next statement, and its line, which later errors refer to. Undefined at the end of the file. */
export function nextStatement(reader: LineReader): { statement: Statement; line: LogicalLine } | undefined {
  const line = reader.next();
  if (line === undefined) return undefined;
  try {
    return { statement: readStatement(reader, line), line };
  } catch (error) {
    throw atRange(error, reader.file, rangeOf(line, error), errorPrefix(line.range));
  }
}

/** Returns the prefix of an error in a Dockerfile, as BuildKit writes it. */
export function errorPrefix(range: SourceRange): string {
  return `dockerfile parse error on line ${range.start.line}: `;
}

/** Returns the error for a file without instructions. */
export function noInstructions(file: SourceFile): unknown {
  const line = Math.max(1, file.lines.length);
  const position = { line, column: 1 };
  return atRange(fault("file with no instructions"), file, { start: position, end: position });
}
