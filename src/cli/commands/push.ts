import { pushImage } from "../../images/index.ts";
import type { Command } from "../command.ts";
import { ExitCode } from "../exit-code.ts";
import { describeFlags, parseFlags } from "../flags.ts";
import { expectArgs, storeOf } from "./common.ts";
import { transferDisplay } from "./transfer-display.ts";

const FLAGS = { quiet: { kind: "boolean", short: "q", help: "Print only the digest" } } as const;

export const command: Command = {
  summary: "Push an image to a registry",
  help: `Usage: varve push [OPTIONS] NAME\n\n${describeFlags(FLAGS)}\n\nExample: varve push registry.example/team/app:1\n`,
  run: async (argv, context) => {
    const { flags, args } = parseFlags(argv, FLAGS);
    expectArgs(args, 1, 1, "varve push NAME");
    await using store = await storeOf(context);
    using display = transferDisplay(`pushing ${args[0]}`, flags.quiet, context);
    const { name, descriptor } = await pushImage(store, args[0] ?? "", {
      signal: context.signal,
      onTransfer: display.onTransfer,
      onWait: display.onWait,
    });
    display[Symbol.dispose]();
    await context.stdout.write(flags.quiet ? `${descriptor.digest}\n` : `${name}\nDigest: ${descriptor.digest}\n`);
    return ExitCode.done;
  },
};
