import { VarveError } from "../../core/index.ts";
import { bodyOf } from "../../http/index.ts";
import { refusalOf } from "../s3/errors.ts";
import { awsDomain } from "../s3/address.ts";
import { encodeQuery } from "../encoding.ts";
import { type AwsKeys, sha256Hex, signed } from "../s3/sign.ts";
import { textOf } from "../xml.ts";
import type { HttpExchange } from "../http-client.ts";
import type { ChainContext, FoundKeys } from "./chain.ts";

const MAX_ANSWER = 262_144;

/** A call of AWS's Security Token Service. */
export interface StsCall {
  readonly action: "AssumeRole" | "AssumeRoleWithWebIdentity";
  readonly parameters: Readonly<Record<string, string>>;
  /** The keys that sign the call; none for a web identity. */
  readonly keys?: AwsKeys | undefined;
}

/** Exchanges an identity for temporary keys. https://docs.aws.amazon.com/STS/latest/APIReference/ */
export async function assumeRole(call: StsCall, { env, region, client, signal }: ChainContext): Promise<FoundKeys> {
  const { action, parameters, keys } = call;
  const endpoint = env["AWS_ENDPOINT_URL_STS"] || `https://sts.${awsDomain(region)}`;
  const url = new URL("/", endpoint);
  const body = Buffer.from(encodeQuery({ Action: action, Version: "2011-06-15", ...parameters }));
  const headers = { "content-type": "application/x-www-form-urlencoded", "content-length": String(body.length) };
  const sign = (own: AwsKeys): Record<string, string> =>
    signed({
      method: "POST",
      url,
      headers,
      payload: sha256Hex(body),
      keys: own,
      region,
      service: "sts",
      at: new Date(),
    });
  const exchange: HttpExchange = {
    signal,
    accept: [200],
    doing: "get AWS credentials for a role",
    prepare: () =>
      Promise.resolve({ method: "POST", url, headers: keys === undefined ? headers : sign(keys), body: bodyOf(body) }),
    explain: refusalOf,
  };
  const { text: xml } = await client.answer(exchange, MAX_ANSWER);
  return keysIn({
    accessKeyId: textOf(xml, "AccessKeyId"),
    secretAccessKey: textOf(xml, "SecretAccessKey"),
    sessionToken: textOf(xml, "SessionToken"),
    expiration: textOf(xml, "Expiration"),
  });
}

/**
 * Checks keys that a service has answered.
 *
 * @throws {VarveError} `remote` if the keys are not complete.
 */
export function keysIn(answer: {
  readonly accessKeyId: string | undefined;
  readonly secretAccessKey: string | undefined;
  readonly sessionToken: string | undefined;
  readonly expiration: string | undefined;
}): FoundKeys {
  const { accessKeyId = "", secretAccessKey = "", sessionToken, expiration } = answer;
  if (!/^[\w/+=-]{1,256}$/.test(accessKeyId) || secretAccessKey === "")
    throw new VarveError("remote", "Cannot get AWS credentials: the answer contains no keys");
  const expires = expiration === undefined ? Number.NaN : Date.parse(expiration);
  return { accessKeyId, secretAccessKey, sessionToken, ...(Number.isNaN(expires) ? {} : { expires }) };
}
