import { join } from "node:path";
import { BuildkitServer, listenBuildkit, openDaemon } from "../../api/buildkit/index.ts";
import { type TcpAccess, formatAddress, parseAddress } from "../../api/listen/index.ts";
import { type CollectionSettings, Collector } from "../../caches/index.ts";
import { messageOf, parseGoBool } from "../../core/index.ts";
import { type StoreOptions, openStore } from "../../engine/index.ts";
import { type BuildkitdConfig, readBuildkitdConfig } from "../buildkitd/config.ts";
import { DEFAULT_ADDRESS, DEFAULT_CONFIG, DEFAULT_ROOT, FLAGS, labelsOf } from "../buildkitd/flags.ts";
import type { Command } from "../command.ts";
import { ExitCode } from "../exit-code.ts";
import { type Parsed, describeFlags, parseFlags, usageError } from "../flags.ts";
import { withParallelism } from "../parallelism.ts";
import { serveCommands } from "../forward/server.ts";
import { printableLine } from "../printable.ts";
import { expectArgs, untilAborted } from "./common.ts";

type Flags = Parsed<typeof FLAGS>["flags"];

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
    const config = await readBuildkitdConfig(flags.config ?? DEFAULT_CONFIG, flags.config !== undefined);
    for (const key of config.unknown) context.screen.write(`warning: configuration key ${key} is unknown\n`);
    const root = flags.root ?? config.root ?? context.store.root ?? DEFAULT_ROOT;
    const given = flags.addr.length > 0 ? flags.addr : config.addresses;
    const addresses = (given.length > 0 ? given : [DEFAULT_ADDRESS]).map(parseAddress);
    const settings: StoreOptions = {
      ...context.store,
      root: join(root),
      snapshotter: snapshotterOf(flags) ?? context.store.snapshotter,
      maxParallelism: config.maxParallelism,
      registry: { config: { registries: config.registries } },
    };
    await using store = await openStore(withParallelism(settings, flags["oci-max-parallelism"]));
    await using collector = new Collector(store, collectionOf(flags, config), {
      onError: (error) => context.screen.write(`warning: cannot collect: ${printableLine(messageOf(error))}\n`),
    });
    collector.schedule();
    using daemon = await openDaemon({
      store,
      collector,
      history: config.history,
      entitlements: [...config.entitlements, ...flags["allow-insecure-entitlement"]],
      labels: { ...config.labels, ...labelsOf(flags["oci-worker-labels"]) },
    });
    await using buildkit = new BuildkitServer(daemon);
    await using listeners = new AsyncDisposableStack();
    for (const address of addresses) {
      const listener = listeners.use(await listenBuildkit(buildkit, address, accessOf(flags, config)));
      context.screen.write(`running server on ${formatAddress(listener.address)}\n`);
    }
    listeners.use(await serveCommands({ store, runCommand: context.runCommand }));
    await untilAborted(context.signal);
    return ExitCode.done;
  },
};

function collectionOf(flags: Flags, { collection }: BuildkitdConfig): CollectionSettings {
  const { "oci-worker-gc": text } = flags;
  if (text === undefined) return collection;
  const enabled = parseGoBool(text);
  if (enabled === undefined)
    throw usageError(`Cannot read --oci-worker-gc ${JSON.stringify(text)}: expected a boolean`);
  return { ...collection, enabled };
}

function snapshotterOf(flags: Flags): "overlay" | "copy" | undefined {
  switch (flags["oci-worker-snapshotter"]) {
    case "overlayfs":
      return "overlay";
    case "native":
      return "copy";
    default:
      return undefined;
  }
}

/** TCP clients need a certificate of the CA. Without a certificate of the server, only loopback addresses are served. */
function accessOf(flags: Flags, { tls }: BuildkitdConfig): TcpAccess {
  const cert = flags.tlscert ?? tls.cert;
  const key = flags.tlskey ?? tls.key;
  const ca = flags.tlscacert ?? tls.ca;
  if (cert === undefined && key === undefined && ca === undefined) return { kind: "insecure-loopback" };
  if (cert === undefined || key === undefined || ca === undefined)
    throw usageError("Cannot serve with TLS: expected --tlscacert, --tlscert and --tlskey");
  return { kind: "tls", files: { ca, cert, key } };
}
