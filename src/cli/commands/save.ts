import { saveImagesTo } from "../../images/index.ts";
import type { Command } from "../command.ts";
import { ExitCode } from "../exit-code.ts";
import { describeFlags, parseFlags, usageError } from "../flags.ts";
import { expectArgs, storeOf } from "./common.ts";

const FLAGS = {
  output: { kind: "string", short: "o", value: "FILE", help: "Write to a file (default standard output)" },
  format: {
    kind: "string",
    value: "docker|oci",
    help: "Format: docker for every docker load, or oci without a manifest.json",
  },
} as const;

export const command: Command = {
  summary: "Save images to an archive",
  help: `Usage: varve save [OPTIONS] NAME [NAME ...]\n\n${describeFlags(FLAGS)}\n\nExample: varve save -o app.tar app:1\n`,
  run: async (argv, context) => {
    const { flags, args } = parseFlags(argv, FLAGS);
    expectArgs(args, 1, Infinity, "varve save NAME [NAME ...]");
    const { format = "docker", output } = flags;
    if (format !== "docker" && format !== "oci")
      throw usageError(`Cannot save as ${JSON.stringify(format)}: expected docker or oci`);
    if (output === undefined && context.stdout.isTTY)
      throw usageError("Cannot save to a terminal: use -o or a redirection");
    await using store = await storeOf(context);
    const { signal } = context;
    await saveImagesTo(output ?? "-", store, args, { format, signal });
    return ExitCode.done;
  },
};
