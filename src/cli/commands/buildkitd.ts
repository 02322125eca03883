import { dirname } from "node:path";
import { BuildkitServer, buildkitVersion, listenBuildkit, openDaemon } from "../../api/buildkit/index.ts";
import { formatAddress, parseAddress } from "../../api/listen/index.ts";
import { Collector } from "../../caches/index.ts";
import { messageOf } from "../../core/index.ts";
import { makeDirectories } from "../../linux/index.ts";
import { openStore } from "../../engine/index.ts";
import { readBuildkitdConfig } from "../buildkitd/config.ts";
import { defaultPlaces } from "../buildkitd/defaults.ts";
import { FLAGS } from "../buildkitd/flags.ts";
import {
  addressesOf,
  collectionOf,
  socketAccess,
  storeOptions,
  tcpAccess,
  workerOptions,
} from "../buildkitd/settings.ts";
import { DEFAULT_PROVENANCE_DIRECTORY, readProvenanceEnvironment } from "../buildkitd/provenance-environment.ts";
import type { Command } from "../command.ts";
import { ExitCode } from "../exit-code.ts";
import { describeFlags, parseFlags } from "../flags.ts";
import { serveCommands } from "../forward/server.ts";
import { compileEarly } from "../compile-early.ts";
import { releaseIdleMemory } from "../idle-memory.ts";
import { printableLine } from "../printable.ts";
import { expectArgs, untilAborted } from "./common.ts";

export const command: Command = {
  summary: "Run in place of BuildKit's daemon",
  help: `Usage: varve buildkitd [OPTIONS]

Serve BuildKit's API with the flags and the configuration file of buildkitd, so that a program that starts buildkitd can start
Varve instead. Flags without effect here are accepted.

${describeFlags(FLAGS)}

Example: varve buildkitd --addr unix:///run/buildkit/buildkitd.sock
         buildctl --addr unix:///run/buildkit/buildkitd.sock debug workers
`,
  run: async (argv, context) => {
    const { flags, args } = parseFlags(argv, FLAGS);
    expectArgs(args, 0, 0, "varve buildkitd");
    if (flags.version) {
      const { package: name, version } = buildkitVersion();
      await context.stdout.write(`buildkitd ${name} ${version}\n`);
      return ExitCode.done;
    }
    compileEarly();
    const config = await readBuildkitdConfig(
      flags.config ?? defaultPlaces(context.env).config,
      flags.config !== undefined,
    );
    const warn = (text: string): void => context.screen.write(`warning: ${printableLine(text)}\n`);
    for (const key of config.unknown) warn(`configuration key ${key} is unknown`);
    const addresses = addressesOf(flags, config, context.env).map(parseAddress);
    const [tcp, unix] = [tcpAccess(flags, config), await socketAccess(flags, config)];
    const [worker, collection] = [workerOptions(flags, config), collectionOf(flags, config)];
    await using store = await openStore(storeOptions(flags, config, context.store, context.env));
    await store.networks.open();
    await using collector = new Collector(store, collection, {
      onError: (error) => warn(`cannot collect: ${messageOf(error)}`),
    });
    collector.schedule();
    const provenance = await readProvenanceEnvironment(config.provenanceDirectory ?? DEFAULT_PROVENANCE_DIRECTORY);
    using daemon = await openDaemon({ ...worker, store, collector, explains: false, provenance, onWarning: warn });
    await using buildkit = new BuildkitServer(daemon);
    await using listeners = new AsyncDisposableStack();
    for (const address of addresses) {
      if (address.kind === "unix") makeDirectories(dirname(address.path), 0o755);
      const listener = listeners.use(await listenBuildkit(buildkit, address, tcp, unix));
      context.screen.write(`running server on ${formatAddress(listener.address)}\n`);
    }
    listeners.use(await serveCommands({ store, runCommand: context.runCommand }));
    using _releasing = releaseIdleMemory();
    await untilAborted(context.signal);
    return ExitCode.done;
  },
};
