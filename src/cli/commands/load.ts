import { loadImages, loadedNames } from "../../images/index.ts";
import { createReadStream } from "node:fs";
import { toVarveError } from "../../core/index.ts";
import type { Command } from "../command.ts";
import { ExitCode } from "../exit-code.ts";
import { describeFlags, parseFlags } from "../flags.ts";
import { storeOf } from "./common.ts";

const FLAGS = {
  input: { kind: "string", short: "i", value: "FILE", help: "Read from a file (default standard input)" },
} as const;

export const command: Command = {
  summary: "Load images from an archive",
  help: `Usage: varve load [OPTIONS]\n\nLoad images from an OCI or Docker archive, compressed or not.\n\n${describeFlags(FLAGS)}\n\nExample: varve load -i app.tar\n`,
  run: async (argv, context) => {
    const { flags } = parseFlags(argv, FLAGS);
    await using store = await storeOf(context);
    const bytes = flags.input === undefined ? context.stdin : fileBytes(flags.input);
    const loaded = await loadImages(store, bytes, { signal: context.signal });
    for (const name of loaded.flatMap(loadedNames)) await context.stdout.write(`Loaded image: ${name}\n`);
    return ExitCode.done;
  },
};

async function* fileBytes(path: string): AsyncGenerator<Uint8Array> {
  try {
    yield* createReadStream(path) as AsyncIterable<Uint8Array>;
  } catch (error) {
    throw toVarveError(error, `read ${path}`, "invalid-argument");
  }
}
