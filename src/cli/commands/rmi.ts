import { removeImage } from "../../images/index.ts";
import { familiarReference, parseReference } from "../../core/index.ts";
import type { Command } from "../command.ts";
import { ExitCode } from "../exit-code.ts";
import { describeFlags, parseFlags } from "../flags.ts";
import { expectArgs, storeOf } from "./common.ts";

const FLAGS = {
  force: { kind: "boolean", short: "f", help: "Remove an image with all its names" },
  "no-prune": { kind: "boolean", help: "Keep untagged parent images" },
} as const;

export const command: Command = {
  summary: "Remove images",
  help: `Usage: varve rmi [OPTIONS] NAME [NAME ...]\n\nThe cache stays. To free its disk space, use varve prune.\n\n${describeFlags(FLAGS)}\n\nExample: varve rmi app:1\n`,
  run: async (argv, context) => {
    const { args, flags } = parseFlags(argv, FLAGS);
    expectArgs(args, 1, Infinity, "varve rmi NAME [NAME ...]");
    await using store = await storeOf(context);
    for (const name of args) {
      const removed = await removeImage(store, name, { force: flags.force, noPrune: flags["no-prune"] });
      const lines = removed.map((each) =>
        each.kind === "deleted"
          ? `Deleted: ${each.id}\n`
          : `Untagged: ${familiarReference(parseReference(each.reference))}\n`,
      );
      await context.stdout.write(lines.join(""));
    }
    return ExitCode.done;
  },
};
