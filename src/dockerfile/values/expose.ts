import { isIP } from "node:net";
import { VarveError, goQuote } from "../../core/index.ts";
import type { Linter } from "../lint/lint.ts";
import { fault } from "../source/fault.ts";
import type { SourceRange } from "../source/source.ts";

interface Parts {
  readonly ip: string;
  readonly hostPort: string;
  readonly containerPort: string;
}

function split(text: string): Parts {
  const parts = text.split(":");
  const [containerPort = "", hostPort = ""] = parts.toReversed();
  return { ip: parts.slice(0, -2).join(":"), hostPort, containerPort };
}

const MAX_PORT = 65_535;

function portNumber(text: string): number | undefined {
  if (!/^[+-]?\d{1,10}$/.test(text)) return undefined;
  const port = Number(text);
  return port >= 0 && port <= MAX_PORT ? port : undefined;
}

/** Parses a range of ports: `8000-9000` or `80`. */
function range(text: string): [start: number, end: number] | undefined {
  const [first = "", last = first] = text.split(/-(.*)/s, 2);
  const start = portNumber(first);
  const end = portNumber(last);
  return start === undefined || end === undefined || end < start ? undefined : [start, end];
}

function checkHost({ ip, hostPort, containerPort }: Parts, [start, end]: [number, number]): void {
  const bare = /^\[(.*)\]$/.exec(ip)?.[1] ?? ip;
  if (ip !== "" && isIP(bare.replace(/%.*$/, "")) === 0) throw fault(`invalid IP address: ${ip}`);
  if (hostPort === "") return;
  const host = range(hostPort);
  if (host === undefined) throw fault(`invalid hostPort: ${hostPort}`);
  if (end - start !== host[1] - host[0] && end !== start)
    throw fault(`invalid ranges specified for container and host Ports: ${containerPort} and ${hostPort}`);
}

/** Maximum number of ports in one instruction: all ports of three protocols. A range of few bytes may name 65,536 ports. */
const MAX_PORTS = 3 * (MAX_PORT + 1);

/**
 * Parses the arguments of an EXPOSE. Returns `port/protocol` entries, one per port of a range. An IP address or a host port in an
 * argument is checked, gives a warning, and is dropped.
 * @throws {VarveError} `invalid-build`, without a location; `limit-exceeded` for more entries than all ports of three protocols
 */
export function exposedPorts(texts: readonly string[], where: SourceRange, linter: Linter): string[] {
  const ports: string[] = [];
  for (const text of texts) {
    for (const port of portsOf(text, where, linter)) ports.push(port);
    if (ports.length > MAX_PORTS)
      throw new VarveError("limit-exceeded", `Cannot expose ports: one EXPOSE names more than ${MAX_PORTS}`);
  }
  return ports;
}

function portsOf(text: string, where: SourceRange, linter: Linter): string[] {
  const parts = split(text);
  const [ports = "", proto = ""] = parts.containerPort.split(/\/(.*)/s, 2);
  if (ports === "") throw fault(`invalid port: ${goQuote(text)}: no port specified`);
  const protocol = proto === "" ? "tcp" : proto.toLowerCase();
  if (!["tcp", "udp", "sctp"].includes(protocol))
    throw fault(`invalid port: ${goQuote(text)}: invalid proto: ${proto}`);
  if (proto !== proto.toLowerCase())
    linter.warn("ExposeProtoCasing", where, `Defined protocol '${text}' in EXPOSE instruction should be lowercase`);
  if (parts.ip !== "" || parts.hostPort !== "") {
    const message = `EXPOSE instruction should not define an IP address or host-port mapping, found '${text}'`;
    linter.warn("ExposeInvalidFormat", where, message);
  }
  const found = range(ports);
  if (found === undefined) throw fault(`invalid containerPort: ${ports}`);
  checkHost({ ...parts, containerPort: ports }, found);
  const [start, end] = found;
  return Array.from({ length: end - start + 1 }, (_, index) => `${start + index}/${protocol}`);
}
