import { lookup } from "node:dns/promises";
import { closeSync } from "node:fs";
import { once } from "node:events";
import { Socket, connect, isIP } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { isConnected, startConnection, withinNetwork } from "../../linux/index.ts";

/** Milliseconds to wait for a connection. */
const PATIENCE = 30_000;
/** Milliseconds between two looks at a connection that is being made. */
const INTERVAL = 5;

/** Connects to a host, by name or address. Rejects with the system's error. */
export type Egress = (host: string, port: number, signal: AbortSignal) => Promise<Socket>;

/** Connects from the network of this process. */
export const machineEgress: Egress = async (host, port, signal) => {
  const socket = connect({ host, port });
  try {
    await once(socket, "connect", { signal: AbortSignal.any([signal, AbortSignal.timeout(PATIENCE)]) });
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
};

/**
 * Connects from another network namespace. Names are looked up in that of this process, whose servers of names may be on its loopback
 * interface.
 */
export function egressFrom(namespace: number): Egress {
  return async (host, port, signal) => {
    const found = isIP(host) === 0 ? await lookup(host, { all: true, order: "ipv4first" }) : [{ address: host }];
    let problem: unknown;
    for (const { address } of found) {
      try {
        return await connectFrom(namespace, address, port, signal);
      } catch (error) {
        problem ??= error;
      }
    }
    throw problem ?? new Error(`${host} has no address`);
  };
}

async function connectFrom(namespace: number, address: string, port: number, signal: AbortSignal): Promise<Socket> {
  const fd = withinNetwork(namespace, () => startConnection(address, port));
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE)]);
  try {
    while (!isConnected(fd)) await sleep(INTERVAL, undefined, { signal: deadline });
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return new Socket({ fd });
}
