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
  help: `Usage: varve cache ${[...COMMANDS.keys()].join("|")} [flags]

  ls      what a cache holds
  export  write this root's whole cache to a registry or a directory
  import  take the records of a cache into this root's own
  prune   make a cache in a registry or a directory smaller

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
