import type { Command } from "../command.ts";
import { ExitCode } from "../exit-code.ts";
import { programVersion } from "../program-version.ts";

export const command: Command = {
  opensStore: false,
  summary: "Show the version",
  help: "Usage: varve version\n",
  run: async (_argv, { stdout }) => {
    await stdout.write(
      `varve ${programVersion()} (node ${process.versions.node}, ${process.platform}/${process.arch})\n`,
    );
    return ExitCode.done;
  },
};
