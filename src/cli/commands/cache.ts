import type { Command, Commands } from "../command.ts";
import { usageError } from "../flags.ts";

const COMMANDS: Commands = new Map<string, () => Promise<{ command: Command }>>([
  ["why", () => import("./cache-why.ts")],
  ["ls", () => import("./cache-ls.ts")],
  ["export", () => import("./cache-export.ts")],
  ["import", () => import("./cache-import.ts")],
  ["prune", () => import("./cache-prune.ts")],
]);

const NAMES = [...COMMANDS.keys()].join(", ");

export const command: Command = {
  summary: "Manage caches",
  help: `Usage: varve cache COMMAND [OPTIONS]

Manage caches

Commands:
  why       Say why steps of a build were not cached
  ls        List the records of a cache
  export    Export the cache to a registry, a directory or a bucket
  import    Import a cache from a registry, a directory or a bucket
  prune     Remove old exports from a cache in a registry, a directory or a bucket

Example: varve cache ls registry.example.com/team/app:cache
`,
  commands: COMMANDS,
  run: async ([name]) => {
    const what = name === undefined ? "" : ` ${JSON.stringify(name)}`;
    return await Promise.reject(
      usageError(`Cannot run varve cache${what}: expected one of ${NAMES}; see varve cache --help`),
    );
  },
};
