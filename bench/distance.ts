/** A server at a distance: what is sent arrives later, in both directions. */
import { once } from "node:events";
import { type AddressInfo, type Socket, connect, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

export interface DistantServer extends AsyncDisposable {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
}

/** Listens on a port of this machine, and passes all bytes on to `host` and back, each `milliseconds` later. */
export async function startDistance(host: string, milliseconds: number): Promise<DistantServer> {
  const [name = "", port = ""] = host.split(":");
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (near) => {
    const far = connect({ host: name, port: Number(port), noDelay: true });
    for (const [from, to] of [[near, far] as const, [far, near] as const]) {
      sockets.add(from);
      from.once("close", () => sockets.delete(from));
      from.on("error", () => to.destroy());
      void passOn(from, to, milliseconds);
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port: own } = server.address() as AddressInfo;
  return {
    host: `127.0.0.1:${own}`,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

async function passOn(from: Socket, to: Socket, milliseconds: number): Promise<void> {
  from.on("data", (chunk: Buffer) => void sleep(milliseconds).then(() => to.destroyed || to.write(chunk)));
  from.once("end", () => void sleep(milliseconds).then(() => to.end()));
}
