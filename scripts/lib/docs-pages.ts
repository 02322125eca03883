/** Pages of docs/ that are made from the program. */

const EXIT_CODES: readonly (readonly [code: number, meaning: string])[] = [
  [0, "done"],
  [1, "a step of the build failed; its own code is in the message"],
  [2, "misuse of the command line"],
  [3, "the Dockerfile, the context or a name is wrong"],
  [4, "a registry, a cache or another server refused, could not be reached, or sent damaged data"],
  [5, "the machine lacks something; `varve doctor` says what"],
  [6, "a bug in Varve"],
  [130, "interrupted"],
];

/** docs/cli.md, of the help texts of commands by their words: `""`, `build`, `cache ls`. */
export function cliPage(help: ReadonlyMap<string, string>): string {
  const order = [...(help.get("") ?? "").matchAll(/^ {2}(\S+)/gm)].map(([, name = ""]) => name);
  const place = (words: string): number => order.indexOf(words.split(" ")[0] ?? "");
  const commands = [...help]
    .filter(([words]) => words !== "")
    .toSorted(([a], [b]) => place(a) - place(b) || (a < b ? -1 : 1));
  const codes = EXIT_CODES.map(([code, meaning]) => `| ${code} | ${meaning} |`);
  return [
    "# The command",
    "",
    "<!-- Made by scripts/docs.ts from the command's own help: change the tables of flags in src/cli/, not this page. -->",
    "",
    "`varve --help` lists the commands, `varve COMMAND --help` the flags of one. Flags are those of `docker buildx build` and",
    "`docker image …`. Every listing takes `--format json`.",
    "",
    section("varve", help.get("") ?? ""),
    ...commands.map(([words, text]) => section(`varve ${words}`, text)),
    "## Exit codes",
    "",
    "| code | meaning |",
    "| --- | --- |",
    ...codes,
    "",
    "[troubleshooting.md](troubleshooting.md#error-codes) says which error code leads to which exit code.",
    "",
  ].join("\n");
}

function section(title: string, help: string): string {
  return `## ${title}\n\n\`\`\`text\n${help.trimEnd()}\n\`\`\`\n`;
}

const PURPOSES: ReadonlyMap<string, string> = new Map([
  ["/_ping", "version negotiation"],
  ["/version", "version of server and API"],
  ["/info", "what the server is"],
  ["/auth", "tries credentials on a registry"],
  ["/events", "events of images, past and to come"],
  ["/system/df", "disk usage of images and cache"],
  ["/build", "build, by the classic protocol or with a session of BuildKit"],
  ["/build/prune", "remove records of the build cache"],
  ["/build/cancel", "cancel a build that has an id"],
  ["/images/json", "list images"],
  ["/images/search", "always an empty list"],
  ["/images/get", "save several images"],
  ["/images/create", "pull an image, or import a root file system"],
  ["/images/load", "load an archive"],
  ["/images/prune", "remove unused images"],
  ["/images/*/json", "inspect an image"],
  ["/images/*/history", "history of an image"],
  ["/images/*/get", "save an image"],
  ["/images/*/push", "push an image"],
  ["/images/*/tag", "name an image"],
  ["/images/*", "remove an image"],
  ["/distribution/*/json", "what a registry has under a name"],
]);

/** docs/server.md with its table of endpoints made anew. */
export async function serverPage(text: string): Promise<string> {
  const { ROUTES } = await import("../../src/api/docker/routes.ts");
  const rows = ROUTES.flatMap(([methods, path]) => {
    const purpose = PURPOSES.get(path);
    return purpose === undefined ? [] : [`| ${methods} | \`${path.replace("*", "{name}")}\` | ${purpose} |`];
  });
  if (rows.length < PURPOSES.size) throw new Error("an endpoint that is documented does not exist");
  const table = ["| method | path | what it does |", "| --- | --- | --- |", ...rows].join("\n");
  const marked = /(<!-- endpoints -->\n)[^]*(<!-- \/endpoints -->)/;
  if (!marked.test(text)) throw new Error("docs/server.md has no place for the endpoints");
  return text.replace(marked, `$1\n${table}\n\n$2`);
}
