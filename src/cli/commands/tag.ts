import { tagImage } from "../../images/index.ts";
import type { Command } from "../command.ts";
import { ExitCode } from "../exit-code.ts";
import { parseFlags } from "../flags.ts";
import { expectArgs, storeOf } from "./common.ts";

export const command: Command = {
  summary: "Create a tag for an image",
  help: "Usage: varve tag SOURCE NAME\n\nExample: varve tag app:1 registry.example/team/app:1\n",
  run: async (argv, context) => {
    const { args } = parseFlags(argv, {});
    expectArgs(args, 2, 2, "varve tag SOURCE NAME");
    await using store = await storeOf(context);
    await tagImage(store, args[0] ?? "", args[1] ?? "");
    return ExitCode.done;
  },
};
