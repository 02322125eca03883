import { imageHistory } from "../../images/index.ts";
import type { Command, Commands } from "../command.ts";
import { ExitCode } from "../exit-code.ts";
import { describeFlags, parseFlags } from "../flags.ts";
import { humanAge, humanSize } from "../values.ts";
import { FORMAT, expectArgs, printRows, storeOf } from "./common.ts";

const FLAGS = {
  format: FORMAT,
  "no-trunc": { kind: "boolean", help: "Do not truncate commands" },
} as const;

const COMMANDS: Commands = new Map([["builds", () => import("./history-builds.ts")]]);

export const command: Command = {
  summary: "Show the history of an image, or past builds",
  help: `Usage: varve history [OPTIONS] NAME
       varve history builds [OPTIONS]

Show the history of an image

Commands:
  builds    List builds that have ended

${describeFlags(FLAGS)}

Example: varve history app:1
`,
  commands: COMMANDS,
  run: async (argv, context) => {
    const { flags, args } = parseFlags(argv, FLAGS);
    expectArgs(args, 1, 1, "varve history NAME");
    await using store = await storeOf(context);
    const lines = await imageHistory(store, args[0] ?? "");
    const cut = (text: string): string => (flags["no-trunc"] || text.length <= 60 ? text : `${text.slice(0, 59)}…`);
    const row = (line: (typeof lines)[number]): Record<string, string> => ({
      IMAGE: line.image === undefined ? "<missing>" : line.image.slice(7, 19),
      LAYER: line.layer === undefined ? "<none>" : line.layer.slice(7, 19),
      CREATED: line.created === undefined ? "" : humanAge(Date.now() - Date.parse(line.created)),
      "CREATED BY": cut(line.createdBy),
      SIZE: humanSize(line.size),
      COMMENT: line.comment,
    });
    await printRows(lines, flags.format, row, context);
    return ExitCode.done;
  },
};
