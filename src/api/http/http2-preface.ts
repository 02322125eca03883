import type { Server } from "node:http";
import type { Socket } from "node:net";
import type { Takeover } from "./upgrade.ts";

/** What a client sends first that speaks HTTP/2 without asking for it. */
const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/**
 * Hands over the connections of clients that speak HTTP/2 without asking for it. The server gets all others when their first bytes have
 * come. A client that sends nothing for `patience` milliseconds is disconnected; disposing of what is returned disconnects all of these.
 */
export function acceptPrefaces(server: Server, takeOver: Takeover, patience: number): Disposable {
  const unknown = new Set<Socket>();
  const serve = server.listeners("connection");
  server.removeAllListeners("connection");
  server.on("connection", (socket: Socket) => {
    unknown.add(socket);
    socket.once("close", () => unknown.delete(socket));
    whenKnown(socket, patience, (isHttp2) => {
      unknown.delete(socket);
      if (isHttp2) {
        // As after an upgrade: a client that has closed its side is gone.
        socket.allowHalfOpen = false;
        takeOver(socket);
      } else for (const listener of serve) listener.call(server, socket);
    });
  });
  return {
    [Symbol.dispose]: () => {
      for (const socket of unknown) socket.destroy();
    },
  };
}

/** Calls `act` when the first bytes of a connection say what it is. They can be read again then. */
function whenKnown(socket: Socket, patience: number, act: (isHttp2: boolean) => void): void {
  const timer = setTimeout(() => socket.destroy(), patience);
  const stop = (): void => {
    clearTimeout(timer);
    socket.off("readable", read).off("close", stop);
  };
  const ignore = (): void => undefined;
  let head = Buffer.alloc(0);
  const read = (): void => {
    const piece: unknown = socket.read();
    if (!Buffer.isBuffer(piece)) return;
    head = Buffer.concat([head, piece]);
    const isPreface = head.subarray(0, PREFACE.byteLength).equals(PREFACE.subarray(0, head.byteLength));
    if (isPreface && head.byteLength < PREFACE.byteLength) return;
    stop();
    socket.unshift(head);
    act(isPreface);
    socket.off("error", ignore);
  };
  socket.on("error", ignore).on("readable", read).once("close", stop);
}
