import { familiarReference, parseReference } from "../../core/index.ts";
import { removeImage } from "../../build/index.ts";
import type { Command } from "../command.ts";
import { ExitCode } from "../exit-code.ts";
import { parseFlags } from "../flags.ts";
import { expectArgs, storeOf } from "./common.ts";

export const command: Command = {
  summary: "remove names of images",
  help: "Usage: varve rmi NAME [NAME ...]\n\nThe cache stays; varve prune frees space.\n\nExample: varve rmi app:1\n",
  run: async (argv, context) => {
    const { args } = parseFlags(argv, {});
    expectArgs(args, 1, Infinity, "varve rmi NAME [NAME ...]");
    await using store = await storeOf(context);
    for (const name of args) {
      await context.stdout.write(`Untagged: ${familiarReference(parseReference(removeImage(store, name)))}\n`);
    }
    return ExitCode.done;
  },
};
