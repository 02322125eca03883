import { openStore } from "../../engine/index.ts";
import { EventBus, dockerHandler } from "../../api/docker/index.ts";
import { openListener } from "../../api/http/index.ts";
import { type TcpAccess, formatAddress, parseAddress } from "../../api/listen/index.ts";
import type { Command } from "../command.ts";
import { ExitCode } from "../exit-code.ts";
import { type Parsed, describeFlags, parseFlags, usageError } from "../flags.ts";
import { programVersion } from "../program-version.ts";
import { loadSettings } from "../settings.ts";
import { expectArgs } from "./common.ts";

const FLAGS = {
  docker: { kind: "many", value: "ADDR", help: "Serve the Docker Engine API on unix:///path or tcp://host:port" },
  tlsverify: { kind: "boolean", help: "Accept only TCP clients with a certificate of the CA" },
  tlscacert: { kind: "string", value: "FILE", help: "Certificate of the CA that signed the certificates of clients" },
  tlscert: { kind: "string", value: "FILE", help: "Certificate of the server" },
  tlskey: { kind: "string", value: "FILE", help: "Private key of the server" },
  "insecure-tcp": { kind: "boolean", help: "Accept unauthenticated TCP clients (loopback addresses only)" },
} as const;

export const command: Command = {
  summary: "Serve the Docker Engine API",
  help: `Usage: varve serve [OPTIONS]

Serve clients of Docker, such as docker, docker-py and dockerode, from this store until interrupted.

Whoever can connect has the rights of this process. A socket is accessible to root and the group "docker". TCP requires
--tlsverify, or --insecure-tcp on loopback addresses.

${describeFlags(FLAGS)}

Example: varve serve --docker unix:///run/varve.sock
         DOCKER_HOST=unix:///run/varve.sock docker pull alpine:3.20
`,
  run: async (argv, context) => {
    const { flags, args } = parseFlags(argv, FLAGS);
    expectArgs(args, 0, 0, "varve serve --docker ADDR");
    const addresses = flags.docker.map(parseAddress);
    if (addresses.length === 0) throw usageError("Cannot serve: expected --docker ADDR");
    const access = tcpAccess(flags);
    const settings = await loadSettings(context);
    await using store = await openStore(settings.store);
    const api = {
      store,
      registry: settings.store.registry ?? {},
      events: new EventBus(),
      programVersion: programVersion(),
    };
    await using listeners = new AsyncDisposableStack();
    for (const address of addresses) {
      const listener = listeners.use(await openListener(dockerHandler(api), address, access));
      await context.stdout.write(`API listen on ${formatAddress(listener.address)}\n`);
    }
    await aborted(context.signal);
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

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => resolve(), { once: true });
  await promise;
}
