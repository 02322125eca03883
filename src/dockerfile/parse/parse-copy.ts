import { VarveError } from "../../core/index.ts";
import { fault } from "../source/fault.ts";
import { parseFlags } from "./flags.ts";
import { chompHeredoc, tryHeredocHead } from "./heredoc.ts";
import { JSON_HINT, looksLikeJson } from "./json-form.ts";
import type { AddInstruction, CopyInstruction, CopySources, InlineSource, InstructionBase } from "./instruction.ts";
import type { Statement } from "./statement.ts";

function readSources({ args, heredocs }: Statement, command: string): CopySources {
  const destination = args.at(-1) ?? "";
  if (tryHeredocHead(destination) !== undefined) throw fault(`${command} cannot accept a heredoc as a destination`);
  const bodies = new Map(heredocs.map((heredoc) => [heredoc.name, heredoc.content]));
  const sources: string[] = [];
  const inline: InlineSource[] = [];
  for (const source of args.slice(0, -1)) {
    const head = tryHeredocHead(source);
    if (head === undefined) {
      sources.push(source);
      continue;
    }
    const content = bodies.get(head.name) ?? "";
    inline.push({ path: head.name, data: head.chomp ? chompHeredoc(content) : content, expand: head.expand });
  }
  return { sources, inline, destination };
}

function checkCount({ args, code }: Statement, command: string): void {
  if (args.length >= 2) return;
  throw new VarveError(
    "invalid-build",
    `${command} requires at least two arguments, but only one was provided. Destination could not be determined`,
    { hint: looksLikeJson(code) ? JSON_HINT : undefined },
  );
}

export function parseAdd(statement: Statement, base: InstructionBase): AddInstruction {
  checkCount(statement, "ADD");
  const flags = parseFlags(statement.flags, {
    chown: "value",
    chmod: "value",
    link: "boolean",
    "keep-git-dir": "boolean",
    checksum: "value",
    unpack: "boolean",
    exclude: "values",
  });
  return {
    kind: "add",
    ...base,
    ...readSources(statement, "ADD"),
    chown: flags.value("chown"),
    chmod: flags.value("chmod"),
    link: flags.isTrue("link"),
    exclude: flags.values("exclude"),
    checksum: flags.value("checksum"),
    keepGitDir: flags.has("keep-git-dir") ? flags.isTrue("keep-git-dir") : undefined,
    unpack: flags.has("unpack") ? flags.isTrue("unpack") : undefined,
  };
}

export function parseCopy(statement: Statement, base: InstructionBase): CopyInstruction {
  checkCount(statement, "COPY");
  const flags = parseFlags(statement.flags, {
    chown: "value",
    from: "value",
    chmod: "value",
    link: "boolean",
    exclude: "values",
    parents: "boolean",
  });
  return {
    kind: "copy",
    ...base,
    ...readSources(statement, "COPY"),
    chown: flags.value("chown"),
    chmod: flags.value("chmod"),
    link: flags.isTrue("link"),
    exclude: flags.values("exclude"),
    from: flags.value("from"),
    parents: flags.isTrue("parents"),
  };
}
