import { readFileSync } from "node:fs";
import type { Command } from "../command.ts";
import { ExitCode } from "../exit-code.ts";

export const command: Command = {
  summary: "print the version",
  help: "Usage: varve version\n",
  run: async (_argv, { stdout }) => {
    const { version } = JSON.parse(readFileSync(new URL("../../../package.json", import.meta.url), "utf8")) as {
      version: string;
    };
    await stdout.write(`varve ${version} (node ${process.versions.node}, ${process.platform}/${process.arch})\n`);
    return ExitCode.done;
  },
};
