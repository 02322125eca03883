import type { MessageInitShape } from "@bufbuild/protobuf";
import { invoke } from "../../../grpc/index.ts";
import {
  type CheckPolicyRequestSchema,
  type CheckPolicyResponse,
  PolicyVerifier,
} from "../proto/gen/policysession_pb.ts";
import { called } from "../proto/methods.ts";
import type { CallerOptions, ClientSession } from "./client-session.ts";

const checkMethod = called(PolicyVerifier.method.checkPolicy);

/** Asks the client whether a source may be used. */
export async function checkPolicy(
  { client }: ClientSession,
  request: MessageInitShape<typeof CheckPolicyRequestSchema>,
  { signal }: CallerOptions = {},
): Promise<CheckPolicyResponse> {
  return await invoke(client, checkMethod, request, { signal });
}
