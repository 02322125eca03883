import { Limits, VarveError } from "../../../core/index.ts";
import { GrpcCode, invoke, isGrpcError } from "../../../grpc/index.ts";
import { Secrets } from "../proto/gen/secrets_pb.ts";
import { called } from "../proto/methods.ts";
import type { CallerOptions, ClientSession } from "./client-session.ts";

const getSecretMethod = called(Secrets.method.getSecret);

/**
 * Returns a secret of the client, or undefined if it has none of that id. An empty secret is a secret.
 *
 * @throws {VarveError} `limit-exceeded` for a secret over 500 KB.
 * @throws {GrpcError} What the client answers otherwise.
 */
export async function getSecret(
  { client }: ClientSession,
  id: string,
  { signal }: CallerOptions = {},
): Promise<Uint8Array | undefined> {
  try {
    const { data } = await invoke(client, getSecretMethod, { id }, { signal });
    if (data.length <= Limits.secret) return data;
  } catch (error) {
    if (isGrpcError(error, GrpcCode.notFound, GrpcCode.unimplemented)) return undefined;
    throw error;
  }
  throw new VarveError("limit-exceeded", `Cannot use secret ${id}: it is larger than ${Limits.secret} bytes`, {
    details: { limit: Limits.secret },
  });
}
