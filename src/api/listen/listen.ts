import { once } from "node:events";
import type { ListenOptions, Server } from "node:net";

/** Resolves when the server listens. Rejects with the system's error if it cannot. */
export async function listen(server: Server, options: ListenOptions | { readonly fd: number }): Promise<void> {
  const listening = once(server, "listening");
  server.listen(options);
  await listening;
}
