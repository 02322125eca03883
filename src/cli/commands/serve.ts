import { Collector } from "../../caches/index.ts";
import { messageOf } from "../../core/index.ts";
import { openStore } from "../../engine/index.ts";
import { EventBus, announceImage, buildkitTakeovers, dockerHandler } from "../../api/docker/index.ts";
import { BuildkitServer, listenBuildkit, openDaemon } from "../../api/buildkit/index.ts";
import { openListener } from "../../api/http/index.ts";
import { type TcpAccess, formatAddress, parseAddress } from "../../api/listen/index.ts";
import type { Command } from "../command.ts";
import { ExitCode } from "../exit-code.ts";
import { type Parsed, describeFlags, parseFlags, usageError } from "../flags.ts";
import { withParallelism } from "../parallelism.ts";
import { programVersion } from "../program-version.ts";
import { printableLine } from "../printable.ts";
import { serveCommands } from "../forward/server.ts";
import { compileEarly } from "../compile-early.ts";
import { releaseIdleMemory } from "../idle-memory.ts";
import { loadSettings } from "../settings.ts";
import { frontendImagesOf } from "./build-options.ts";
import { expectArgs, untilAborted } from "./common.ts";

const FLAGS = {
  docker: {
    kind: "many",
    value: "ADDR",
    help: "Serve the Docker Engine API on unix:///path, tcp://host:port or fd://",
  },
  buildkit: { kind: "many", value: "ADDR", help: "Serve BuildKit's API on unix:///path, tcp://host:port or fd://" },
  "allow-insecure-entitlement": {
    kind: "many",
    value: "NAME",
    help: "Let clients of BuildKit grant an entitlement to builds",
  },
  "frontend-image": {
    kind: "string",
    value: "MODE",
    help: "Which front ends run as images: auto (those whose language is not built in), always, never",
  },
  "max-parallelism": {
    kind: "string",
    value: "N",
    help: "Maximum number of operations at once (num-cpu, 0: no limit)",
  },
  tlsverify: { kind: "boolean", help: "Accept only TCP clients with a certificate of the CA" },
  tlscacert: { kind: "string", value: "FILE", help: "Certificate of the CA that signed the certificates of clients" },
  tlscert: { kind: "string", value: "FILE", help: "Certificate of the server" },
  tlskey: { kind: "string", value: "FILE", help: "Private key of the server" },
  "insecure-tcp": { kind: "boolean", help: "Accept unauthenticated TCP clients (loopback addresses only)" },
} as const;

export const command: Command = {
  summary: "Serve the APIs of Docker and BuildKit",
  help: `Usage: varve serve [OPTIONS]

Serve clients of Docker, such as docker, docker-py and dockerode, and clients of BuildKit, such as docker buildx and buildctl,
from this store until interrupted.

Whoever can connect has the rights of this process. A socket is accessible to root and the group "docker". TCP requires
--tlsverify, or --insecure-tcp on loopback addresses. fd:// is the first unix socket that systemd passes, fd://4 the second one.

${describeFlags(FLAGS)}

Example: varve serve --docker unix:///run/varve.sock
         DOCKER_HOST=unix:///run/varve.sock docker pull alpine:3.20
         varve serve --buildkit unix:///run/varve-buildkit.sock
         docker buildx create --driver remote --name varve unix:///run/varve-buildkit.sock
`,
  run: async (argv, context) => {
    const { flags, args } = parseFlags(argv, FLAGS);
    expectArgs(args, 0, 0, "varve serve --docker ADDR --buildkit ADDR");
    const addresses = { docker: flags.docker.map(parseAddress), buildkit: flags.buildkit.map(parseAddress) };
    if (addresses.docker.length + addresses.buildkit.length === 0)
      throw usageError("Cannot serve: expected --docker ADDR or --buildkit ADDR");
    compileEarly();
    const access = tcpAccess(flags);
    const settings = await loadSettings(context);
    const frontend = flags["frontend-image"];
    const frontendImages = frontend === undefined ? settings.frontendImages : frontendImagesOf(frontend);
    await using store = await openStore(withParallelism(settings.store, flags["max-parallelism"]));
    await store.networks.open();
    const warn = (text: string): void => context.screen.write(`varve: ${printableLine(text)}\n`);
    await using collector = new Collector(store, settings.collection, {
      onError: (error) => warn(`cannot collect: ${messageOf(error)}`),
    });
    collector.schedule();
    await using listeners = new AsyncDisposableStack();
    const events = new EventBus();
    const daemon = listeners.use(
      await openDaemon({
        store,
        collector,
        explains: settings.explains !== false,
        traced: settings.traced,
        frontendImages,
        entitlements: flags["allow-insecure-entitlement"],
        onWarning: warn,
        onImage: async (image) => await announceImage({ store, events }, image),
      }),
    );
    const buildkit = listeners.use(new BuildkitServer(daemon));
    const api = {
      store,
      onBuildEnd: () => collector.schedule(),
      explains: settings.explains,
      frontendImages,
      registry: settings.store.registry ?? {},
      events,
      programVersion: programVersion(),
      buildkit,
    };
    const takeovers = buildkitTakeovers(api);
    for (const address of addresses.docker) {
      const listener = listeners.use(await openListener(dockerHandler(api), address, access, takeovers));
      await context.stdout.write(`API listen on ${formatAddress(listener.address)}\n`);
    }
    for (const address of addresses.buildkit) {
      const listener = listeners.use(await listenBuildkit(buildkit, address, access));
      await context.stdout.write(`BuildKit API listen on ${formatAddress(listener.address)}\n`);
    }
    listeners.use(await serveCommands({ store, runCommand: context.runCommand }));
    using _releasing = releaseIdleMemory();
    await untilAborted(context.signal);
    return ExitCode.done;
  },
};

function tcpAccess(flags: Parsed<typeof FLAGS>["flags"]): TcpAccess {
  if (!flags.tlsverify) return { kind: flags["insecure-tcp"] ? "insecure-loopback" : "none" };
  const { tlscacert: ca, tlscert: cert, tlskey: key } = flags;
  if (ca === undefined || cert === undefined || key === undefined)
    throw usageError("Cannot serve with --tlsverify: expected --tlscacert, --tlscert and --tlskey");
  return { kind: "tls", files: { ca, cert, key } };
}
