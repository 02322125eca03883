import type { Store } from "../../engine/index.ts";
import { inspectImage, pullImage } from "../../images/index.ts";
import { matchesPlatform } from "../../image/index.ts";
import { type Platform, formatPlatform, parsePlatform } from "../../core/index.ts";
import type { Command } from "../command.ts";
import { ExitCode } from "../exit-code.ts";
import { describeFlags, parseFlags } from "../flags.ts";
import { warner } from "./cache-warnings.ts";
import { expectArgs, storeOf } from "./common.ts";
import { transferDisplay } from "./transfer-display.ts";

const FLAGS = {
  platform: { kind: "string", value: "OS/ARCH", help: "Platform to pull (default this machine's)" },
  "all-platforms": { kind: "boolean", help: "Pull every platform of the image" },
  quiet: { kind: "boolean", short: "q", help: "Print only the digest" },
} as const;

export const command: Command = {
  summary: "Pull an image from a registry",
  help: `Usage: varve pull [OPTIONS] NAME\n\n${describeFlags(FLAGS)}\n\nExample: varve pull alpine:3.20\n`,
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
      onWait: display.onWait,
      platform,
    };
    const { name, descriptor } = await pullImage(store, args[0] ?? "", options);
    display[Symbol.dispose]();
    if (platform !== undefined && platform !== "all") await warnOfOther(store, name, platform, warner(context));
    await context.stdout.write(flags.quiet ? `${descriptor.digest}\n` : `${name}\nDigest: ${descriptor.digest}\n`);
    return ExitCode.done;
  },
};

/** Warns if a pulled single-platform image is for another platform: it is pulled for any platform. */
async function warnOfOther(
  store: Store,
  name: string,
  wanted: Platform,
  warn: (message: string) => void,
): Promise<void> {
  const { image } = await inspectImage(store, name, wanted);
  if (matchesPlatform(wanted, image.config)) return;
  const has = image.platform === undefined ? "an unknown platform" : formatPlatform(image.platform);
  warn(`${name} is for ${has}, not for ${formatPlatform(wanted)}`);
}
