import { parsePlatform } from "../../core/index.ts";
import { pullImage } from "../../build/index.ts";
import type { Command } from "../command.ts";
import { ExitCode } from "../exit-code.ts";
import { describeFlags, parseFlags } from "../flags.ts";
import { expectArgs, storeOf } from "./common.ts";
import { transferDisplay } from "./transfer-display.ts";

const FLAGS = {
  platform: { kind: "string", value: "OS/ARCH", help: "the platform to pull; this machine's unless given" },
  "all-platforms": { kind: "boolean", help: "pull every platform of the image" },
  quiet: { kind: "boolean", short: "q", help: "print only the digest" },
} as const;

export const command: Command = {
  summary: "pull an image from a registry",
  help: `Usage: varve pull [flags] NAME\n\n${describeFlags(FLAGS)}\n\nExample: varve pull alpine:3.20\n`,
  run: async (argv, context) => {
    const { flags, args } = parseFlags(argv, FLAGS);
    expectArgs(args, 1, 1, "varve pull NAME");
    await using store = await storeOf(context);
    using display = transferDisplay(`pulling ${args[0]}`, flags.quiet, context);
    const platform = flags["all-platforms"]
      ? ("all" as const)
      : flags.platform === undefined
        ? undefined
        : parsePlatform(flags.platform);
    const options = {
      signal: context.signal,
      onTransfer: display.onTransfer,
      ...(platform === undefined ? {} : { platform }),
    };
    const { name, descriptor } = await pullImage(store, args[0] ?? "", options);
    display[Symbol.dispose]();
    await context.stdout.write(flags.quiet ? `${descriptor.digest}\n` : `${name}\nDigest: ${descriptor.digest}\n`);
    return ExitCode.done;
  },
};
