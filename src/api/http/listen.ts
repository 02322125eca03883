import { once } from "node:events";
import type { ListenOptions, Server } from "node:net";

/** Settles when the server listens; rejects with what the kernel says. */
export async function listen(server: Server, options: ListenOptions): Promise<void> {
  const listening = once(server, "listening");
  server.listen(options);
  await listening;
}
