import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { finished, sharedVarve } from "../../testing/varve.ts";

const { skip, varve, base } = await sharedVarve();
const page = readFileSync("docs/why.md", "utf8");

/** The blocks of a language in the page. */
function blocks(language: string): string[] {
  return [...page.matchAll(/^```(\w+)\n(.*?)^```$/gms)].flatMap(([, name, text = ""]) =>
    name === language ? [text] : [],
  );
}

interface Session {
  readonly command: string;
  /** What the page shows of the output. */
  readonly lines: readonly string[];
}

function sessions(block: string): Session[] {
  return block
    .split(/^\$ /m)
    .slice(1)
    .map((text) => {
      const [command = "", ...lines] = text.trimEnd().split("\n");
      return { command, lines: lines.map(comparable) };
    });
}

/** A line without what differs between two runs: times, and how columns are aligned. */
function comparable(line: string): string {
  return line
    .replace(/\d+\.\d+s/g, "0.1s")
    .replaceAll(/ +/g, " ")
    .trim();
}

const build = "console.log('built')\n";

describe("docs/why.md", { skip }, () => {
  test("its sessions print what it shows", async () => {
    const npm = await varve.context("node", `FROM ${base}\nCOPY --chmod=755 npm /bin/npm\n`, {
      npm: "#!/bin/sh\necho $@ > /tmp/npm\n",
    });
    await varve.build(["-t", "node:24", npm]);
    const [dockerfile = ""] = blocks("dockerfile");
    const shop = await varve.context("shop", dockerfile, {
      ".dockerignore": "Dockerfile\n.dockerignore\n",
      "package.json": '{ "name": "shop", "version": "1.0.0"}',
      "package-lock.json": "{}\n",
      "src/app.js": build,
      "src/cart.js": build,
    });
    const shown = blocks("console");
    assert.equal(shown.length, 3);
    for (const { command, lines } of shown.flatMap(sessions)) {
      const [program = "", ...words] = command.match(/"[^"]*"|\S+/g) ?? [];
      const args = words.map((word) => word.replaceAll('"', ""));
      const isVarve = program === "varve";
      const { code, stdout, stderr } = isVarve
        ? await varve.run(args, { cwd: shop })
        : await finished(spawn(program, args, { cwd: shop, stdio: ["pipe", "pipe", "pipe"] }));
      assert.equal(code, 0, stderr);
      const printed = `${stdout}${stderr}`.split("\n").map(comparable);
      assert.deepEqual(
        lines.filter((line) => !printed.includes(line)),
        [],
        `${command} prints:\n${printed.join("\n")}`,
      );
    }
  });
});
