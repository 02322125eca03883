import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { ERROR_CODES } from "../../src/core/index.ts";

/** Help texts of commands by their words: `""`, `build`, `cache ls`. */
export type HelpTexts = ReadonlyMap<string, string>;
/** Pages by their paths. */
export type Pages = ReadonlyMap<string, string>;

/** Fewer commands than this in all pages were not read right. */
const LEAST_COMMANDS = 30;

const CODE = /^```(?:sh|console|yaml)\n([^]*?)^```$/gm;

/** Commands and flags in the code of pages that the program does not have. */
export function unknownCommands(pages: Pages, help: HelpTexts): string[] {
  let found = 0;
  const problems: string[] = [];
  for (const [path, text] of pages)
    for (const command of commandsIn(text)) {
      found += 1;
      const problem = problemOf(command, help);
      if (problem !== undefined) problems.push(`${path}: ${problem}: varve ${command.join(" ")}`);
    }
  if (found < LEAST_COMMANDS) problems.push(`only ${found} commands were found in the pages`);
  return problems;
}

/** The words of each call of varve, in code blocks and in `code`. */
function commandsIn(text: string): string[][] {
  const blocks = [...text.matchAll(CODE)].map(([, code = ""]) => code.replaceAll("\\\n", " "));
  const inline = [...text.matchAll(/`(varve [^`\n]+)`/g)].map(([, code = ""]) => code);
  return [...blocks.flatMap((block) => block.split("\n")), ...inline].flatMap((line) =>
    [...line.matchAll(/(?:^|[\s(&|;$])(?:varve|node bin\/varve\.js) ([^#|&;)"]+)/g)].map(([, words = ""]) =>
      words.trim().split(/\s+/),
    ),
  );
}

function problemOf(words: readonly string[], help: HelpTexts): string | undefined {
  const [globals, rest] = splitGlobals(words);
  const [name = "", below = ""] = rest;
  if (name.toUpperCase() === name || name.startsWith("…")) return undefined;
  const own = help.get(`${name} ${below}`) ?? help.get(name);
  if (own === undefined) return `there is no command ${name}`;
  const known = flagsOf(`${help.get("") ?? ""}${own}`);
  const wrong = [...globals, ...rest].find((word) => /^--?[a-z]/.test(word) && !known.has(word.split("=", 1)[0] ?? ""));
  return wrong === undefined ? undefined : `there is no flag ${wrong}`;
}

/** Global flags take a value each, but --help. */
function splitGlobals(words: readonly string[]): [globals: string[], rest: readonly string[]] {
  const globals: string[] = [];
  let at = 0;
  for (; words[at]?.startsWith("-") === true; at += 1) {
    globals.push(words[at] ?? "");
    if (!words[at]?.includes("=") && words[at] !== "--help") at += 1;
  }
  return [globals, words.slice(at)];
}

function flagsOf(help: string): Set<string> {
  return new Set([...help.matchAll(/(?:^|\s)(--?[a-zA-Z][\w-]*)/gm)].map(([, flag = ""]) => flag).concat("--help"));
}

/** Links to files, or to headings of pages, that do not exist. */
export function brokenLinks(pages: Pages): string[] {
  return [...pages].flatMap(([path, text]) =>
    [...text.matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)/g)].flatMap(([, file = "", heading]) => {
      const target = file === "" ? path : join(dirname(path), file);
      if (!existsSync(target)) return [`${path}: ${target} does not exist`];
      if (heading === undefined || !target.endsWith(".md")) return [];
      return anchorsOf(readFileSync(target, "utf8")).has(heading) ? [] : [`${path}: ${target} has no #${heading}`];
    }),
  );
}

/** Headings as the web shows them in links. */
function anchorsOf(text: string): Set<string> {
  return new Set(
    [...text.matchAll(/^#+ (.*)$/gm)].map(([, title = ""]) =>
      title
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
        .replaceAll(" ", "-"),
    ),
  );
}

/** What users need and no page has: error codes, environment variables. */
export function undocumented(pages: Pages): string[] {
  const troubleshooting = pages.get("docs/troubleshooting.md") ?? "";
  const codes = ERROR_CODES.filter((code) => !troubleshooting.includes(`| \`${code}\` `));
  const sources = globSync("src/**/*.ts").filter((path) => !path.endsWith(".test.ts"));
  const variables = new Set(
    sources.flatMap((path) =>
      [...readFileSync(path, "utf8").matchAll(/\benv\["([A-Z_]+)"\]/g)].map(([, name = ""]) => name),
    ),
  );
  const configuration = pages.get("docs/configuration.md") ?? "";
  return [
    ...codes.map((code) => `docs/troubleshooting.md does not explain the error code ${code}`),
    ...[...variables]
      .filter((name) => !configuration.includes(`\`${name}\``))
      .map((name) => `docs/configuration.md does not have the variable ${name}`),
    ...(variables.size < 5 ? [`only ${variables.size} variables were found in the sources`] : []),
  ];
}
