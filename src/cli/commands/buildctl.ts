import { once } from "node:events";
import { type Socket, connect } from "node:net";
import { pipeline } from "node:stream/promises";
import { VarveError, toVarveError } from "../../core/index.ts";
import { formatAddress, parseAddress } from "../../api/listen/index.ts";
import type { Command, CommandContext } from "../command.ts";
import { ExitCode } from "../exit-code.ts";
import { describeFlags, parseFlags, usageError } from "../flags.ts";
import { defaultPlaces } from "../buildkitd/defaults.ts";
import { table } from "../table.ts";

const FLAGS = {
  addr: { kind: "string", value: "ADDR", help: "Address of the server (default $BUILDKIT_HOST)" },
} as const;

export const command: Command = {
  summary: "Run what buildx needs of BuildKit's buildctl",
  opensStore: false,
  help: `Usage: varve buildctl [OPTIONS] dial-stdio | debug workers

Connect to a server of BuildKit's API, as programs that start buildkitd in a container do.

  dial-stdio     Pass standard input and output on to the server
  debug workers  List the workers of the server

${describeFlags(FLAGS)}

Example: varve buildctl --addr unix:///run/buildkit/buildkitd.sock debug workers
`,
  run: async (argv, context) => {
    const { flags, args } = parseFlags(argv, FLAGS);
    const address = flags.addr ?? (process.env["BUILDKIT_HOST"] || defaultPlaces().address);
    switch (args.join(" ")) {
      case "dial-stdio":
        await dialStdio(await dial(address), context);
        return ExitCode.done;
      case "debug workers":
        await context.stdout.write(await workersTable(await dial(address), context.signal));
        return ExitCode.done;
      default:
        throw usageError("Cannot run: expected dial-stdio or debug workers");
    }
  },
};

async function dial(text: string): Promise<Socket> {
  const address = parseAddress(text);
  if (address.kind === "fd") throw usageError(`Cannot connect to ${text}: expected unix:///path or tcp://host:port`);
  const socket = address.kind === "unix" ? connect(address.path) : connect(address.port, address.host);
  try {
    await once(socket, "connect");
    return socket;
  } catch (error) {
    throw toVarveError(error, `connect to ${formatAddress(address)}`, "remote");
  }
}

/** Passes bytes both ways until the server closes the connection. */
async function dialStdio(socket: Socket, { stdin, stdout }: CommandContext): Promise<void> {
  // The server may close the connection before the input ends.
  const sent = pipeline(stdin, socket).catch(() => undefined);
  try {
    for await (const chunk of socket as AsyncIterable<Buffer>) await stdout.write(chunk);
  } catch (error) {
    throw new VarveError("remote", "Cannot read from the server: the connection was lost", { cause: error });
  }
  void sent;
}

async function workersTable(socket: Socket, signal: AbortSignal): Promise<string> {
  const { listWorkers } = await import("../../api/buildkit/index.ts");
  const workers = await listWorkers(socket, { signal });
  return table(workers.map(({ id, platforms }) => ({ ID: id, PLATFORMS: platforms.join(",") })));
}
