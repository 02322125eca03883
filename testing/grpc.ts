/** A gRPC server on a socket, and clients of it. */
import { once } from "node:events";
import { type Socket, connect, createServer } from "node:net";
import { type Codec, GrpcClient, type GrpcServer, type Method } from "../src/grpc/index.ts";

const text: Codec<string> = {
  encode: (message) => Buffer.from(message),
  decode: (bytes) => Buffer.from(bytes).toString(),
};

/** A method whose messages are texts. */
export function textMethod(name: string): Method<string, string> {
  return { service: "varve.test.Texts", name, request: text, response: text };
}

export interface ServedGrpc extends AsyncDisposable {
  /** A connection that speaks no protocol yet. */
  socket(): Promise<Socket>;
  client(): Promise<GrpcClient>;
}

/** Serves on a TCP port until disposed of. */
export async function serveGrpc(server: Pick<GrpcServer, "serve"> & AsyncDisposable): Promise<ServedGrpc> {
  const listener = createServer((socket) => server.serve(socket));
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const address = listener.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const sockets = new Set<Socket>();
  const socket = async (): Promise<Socket> => {
    const opened = connect(port, "127.0.0.1");
    sockets.add(opened);
    opened.once("close", () => sockets.delete(opened));
    await once(opened, "connect");
    return opened;
  };
  return {
    socket,
    client: async () => new GrpcClient(await socket()),
    [Symbol.asyncDispose]: async () => {
      listener.close();
      await server[Symbol.asyncDispose]();
      for (const each of sockets) each.destroy();
    },
  };
}
