import { parseJson } from "../../core/index.ts";
import type { TransportRequest } from "../../http/index.ts";
import { refusalOf } from "../s3/errors.ts";
import type { HttpExchange } from "../http-client.ts";
import type { ChainContext, FoundKeys } from "./chain.ts";
import { keysIn } from "./sts.ts";

const MAX_ANSWER = 65_536;

/** Asks a metadata service, which needs no signature. Returns undefined for a status that is not 200. */
export async function askMetadata(
  request: Pick<TransportRequest, "method" | "url" | "headers">,
  { client, signal }: ChainContext,
): Promise<string | undefined> {
  const exchange: HttpExchange = {
    signal,
    accept: [200, 400, 401, 403, 404, 405],
    doing: "get AWS credentials from the metadata service",
    prepare: () => Promise.resolve(request),
    explain: refusalOf,
  };
  const { status, text } = await client.answer(exchange, MAX_ANSWER);
  return status === 200 ? text : undefined;
}

/** Reads keys as metadata services and programs write them, in JSON. */
export function keysInJson(text: string): FoundKeys {
  const fields = parseJson(text, "AWS credentials").requiredObject();
  return keysIn({
    accessKeyId: fields.string("AccessKeyId"),
    secretAccessKey: fields.string("SecretAccessKey"),
    sessionToken: fields.string("Token") ?? fields.string("SessionToken"),
    expiration: fields.string("Expiration"),
  });
}
