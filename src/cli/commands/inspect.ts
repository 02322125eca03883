import { inspectImage } from "../../images/index.ts";
import { familiarReference, hostPlatform, parsePlatform, parseReference } from "../../core/index.ts";
import type { Command } from "../command.ts";
import { ExitCode } from "../exit-code.ts";
import { describeFlags, parseFlags } from "../flags.ts";
import { printableJson } from "../printable.ts";
import { expectArgs, storeOf } from "./common.ts";

const FLAGS = { platform: { kind: "string", value: "OS/ARCH", help: "Platform of a multi-platform image" } } as const;

export const command: Command = {
  summary: "Show the manifest and config of images",
  help: `Usage: varve inspect [OPTIONS] NAME [NAME ...]\n\n${describeFlags(FLAGS)}\n\nExample: varve inspect app:1\n`,
  run: async (argv, context) => {
    const { flags, args } = parseFlags(argv, FLAGS);
    expectArgs(args, 1, Infinity, "varve inspect NAME [NAME ...]");
    await using store = await storeOf(context);
    const platform = flags.platform === undefined ? hostPlatform() : parsePlatform(flags.platform);
    const found = await Promise.all(args.map((name) => inspectImage(store, name, platform)));
    const shown = found.map(({ names, digest, image, size }) => {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- `openImage` has validated these bytes
      const { config = {}, ...rest } = JSON.parse(Buffer.from(image.configBytes).toString()) as Record<string, unknown>;
      return {
        Id: image.manifest.config.digest,
        RepoTags: names.map((name) => familiarReference(parseReference(name))),
        Digest: digest,
        Created: rest["created"],
        Author: rest["author"],
        Architecture: rest["architecture"],
        Os: rest["os"],
        Variant: rest["variant"],
        Size: size,
        Config: config,
        RootFS: { Type: "layers", Layers: image.layers.map((layer) => layer.diffId) },
        Manifest: JSON.parse(Buffer.from(image.manifestBytes).toString()) as unknown,
      };
    });
    await context.stdout.write(`${printableJson(shown)}\n`);
    return ExitCode.done;
  },
};
