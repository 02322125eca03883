import { listImages } from "../../images/index.ts";
import { familiarReference, parseReference } from "../../core/index.ts";
import type { Command } from "../command.ts";
import { ExitCode } from "../exit-code.ts";
import { describeFlags, parseFlags } from "../flags.ts";
import { humanAge, humanSize } from "../values.ts";
import { FORMAT, printRows, storeOf } from "./common.ts";

const FLAGS = {
  all: { kind: "boolean", short: "a", help: "Include images without a name that others were built from" },
  format: FORMAT,
  quiet: { kind: "boolean", short: "q", help: "Print only IDs" },
} as const;

function nameColumns(name: string | undefined): Record<"REPOSITORY" | "TAG", string> {
  if (name === undefined) return { REPOSITORY: "<none>", TAG: "<none>" };
  const { registry, repository, tag } = parseReference(name);
  return { REPOSITORY: familiarReference({ registry, repository }), TAG: tag ?? "<none>" };
}

export const command: Command = {
  summary: "List images",
  help: `Usage: varve images [OPTIONS]\n\n${describeFlags(FLAGS)}\n\nExample: varve images --format json\n`,
  run: async (argv, context) => {
    const { flags } = parseFlags(argv, FLAGS);
    await using store = await storeOf(context);
    const images = await listImages(store, { all: flags.all });
    if (flags.quiet) {
      await context.stdout.write(images.map((image) => `${image.id ?? image.digest}\n`).join(""));
      return ExitCode.done;
    }
    const row = (image: (typeof images)[number]): Record<string, string> => {
      return {
        ...nameColumns(image.name),
        "IMAGE ID": (image.id ?? image.digest).slice(7, 19),
        CREATED: image.created === undefined ? "" : humanAge(Date.now() - Date.parse(image.created)),
        SIZE: humanSize(image.size),
      };
    };
    await printRows(images, flags.format, row, context);
    return ExitCode.done;
  },
};
