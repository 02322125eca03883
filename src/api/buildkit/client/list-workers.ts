import type { Duplex } from "node:stream";
import { formatPlatform } from "../../../core/index.ts";
import { GrpcClient, invoke } from "../../../grpc/index.ts";
import { Control } from "../proto/gen/control_pb.ts";
import { called } from "../proto/methods.ts";
import { platformOf } from "../worker/platform-message.ts";

/** A worker of a server, as `buildctl debug workers` shows it. */
export interface ListedWorker {
  readonly id: string;
  readonly platforms: readonly string[];
}

/** Asks a server of BuildKit's API for its workers, and closes the connection. */
export async function listWorkers(
  connection: Duplex,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<ListedWorker[]> {
  const client = new GrpcClient(connection);
  try {
    const { record } = await invoke(client, called(Control.method.listWorkers), {}, { signal });
    return record.map(({ id, platforms }) => ({
      id,
      platforms: platforms.flatMap((message) => {
        const platform = platformOf(message);
        return platform === undefined ? [] : [formatPlatform(platform)];
      }),
    }));
  } finally {
    client.close();
  }
}
