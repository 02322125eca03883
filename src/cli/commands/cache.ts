import type { Command, Commands } from "../command.ts";
import { usageError } from "../flags.ts";

const COMMANDS: Commands = new Map<string, () => Promise<{ command: Command }>>([
  ["ls", () => import("./cache-ls.ts")],
  ["export", () => import("./cache-export.ts")],
  ["import", () => import("./cache-import.ts")],
  ["prune", () => import("./cache-prune.ts")],
]);

const NAMES = [...COMMANDS.keys()].join(", ");

export const command: Command = {
  summary: "list, export, import and prune caches",
  help: `Usage: varve cache COMMAND [flags]

Works with caches without a build.

Commands:
  ls        list what is in a cache
  export    write the cache of this root to a registry or a directory
  import    take the records of a cache into this root
  prune     make a cache in a registry or a directory smaller

Example: varve cache ls registry.example.com/team/app:cache
`,
  commands: COMMANDS,
  run: async ([name]) => {
    const what = name === undefined ? "" : ` ${JSON.stringify(name)}`;
    return await Promise.reject(
      usageError(`Cannot run varve cache${what}: there are ${NAMES}; see varve cache --help`),
    );
  },
};
