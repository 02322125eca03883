/**
 * Makes the pages of docs/ that come from the program: docs/cli.md, and the table of endpoints in docs/server.md. With
 * `--check` it fails where these are stale, where a page names a command, flag or file that does not exist, and where
 * something that users need is documented nowhere.
 */
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { screenOf } from "../src/cli/progress/screen.ts";
import { runCommand } from "../src/cli/run-command.ts";
import { cliPage, serverPage } from "./lib/docs-pages.ts";
import { type HelpTexts, brokenLinks, undocumented, unknownCommands } from "./lib/docs-checks.ts";

/** Help texts of all commands, by their words. */
async function helpTexts(): Promise<HelpTexts> {
  const texts = new Map<string, string>();
  const read = async (words: readonly string[]): Promise<void> => {
    const help = await printed([...words, "--help"]);
    texts.set(words.join(" "), help);
    const list = /^Commands:\n((?: {2}.*\n)+)/m.exec(help)?.[1] ?? "";
    await Promise.all([...list.matchAll(/^ {2}(\S+)/gm)].map(([, name = ""]) => read([...words, name])));
  };
  await read([]);
  return texts;
}

/** What a command line prints, without a terminal. */
async function printed(argv: readonly string[]): Promise<string> {
  let text = "";
  const keep = (data: string | Uint8Array): Promise<void> => {
    text += typeof data === "string" ? data : Buffer.from(data).toString();
    return Promise.resolve();
  };
  const code = await runCommand(argv, {
    stdin: process.stdin,
    stdout: { write: keep, isTTY: false },
    screen: screenOf(process.stderr),
    signal: new AbortController().signal,
    cwd: process.cwd(),
    env: {},
  });
  if (code !== 0) throw new Error(`varve ${argv.join(" ")} exited with ${code}`);
  return text;
}

/** Formatters align tables. */
function comparable(text: string): string {
  return text.replaceAll(/ +/g, " ").replaceAll(/-{3,}/g, "---");
}

const help = await helpTexts();
const made = new Map([
  ["docs/cli.md", cliPage(help)],
  ["docs/server.md", await serverPage(readFileSync("docs/server.md", "utf8"))],
]);

if (process.argv.includes("--check")) {
  const pages = new Map(
    [...globSync("docs/*.md"), "README.md", "CONTRIBUTING.md", "SECURITY.md", "ARCHITECTURE.md"].map(
      (path) => [path, readFileSync(path, "utf8")] as const,
    ),
  );
  const problems = [
    ...[...made].flatMap(([path, text]) =>
      comparable(pages.get(path) ?? "") === comparable(text) ? [] : [`${path} is stale: run node scripts/docs.ts`],
    ),
    ...unknownCommands(pages, help),
    ...brokenLinks(pages),
    ...undocumented(pages),
  ];
  console.error(problems.join("\n"));
  process.exitCode = problems.length === 0 ? 0 : 1;
} else for (const [path, text] of made) writeFileSync(path, text);
