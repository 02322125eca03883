import { Metadata, invokeBidi } from "../../../grpc/index.ts";
import { bytesMethod } from "../proto/bytes-message.ts";
import { Upload } from "../proto/gen/upload_pb.ts";
import type { CallerOptions, ClientSession } from "./client-session.ts";

const pullMethod = bytesMethod(Upload.method.pull);

/** Host of URLs that name an upload. */
export const UPLOAD_HOST = "buildkit-session";

/** Yields what the client offers under a URL. The client offers it once. */
export async function* pullUpload(
  { client }: ClientSession,
  { pathname, host }: Pick<URL, "pathname" | "host">,
  { signal }: CallerOptions = {},
): AsyncGenerator<Uint8Array> {
  const metadata = Metadata.of([
    ["urlpath", pathname],
    ["urlhost", host],
  ]);
  using call = invokeBidi(client, pullMethod, { metadata, signal });
  yield* call.responses;
}
