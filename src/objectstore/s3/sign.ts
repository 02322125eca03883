import { createHash, createHmac } from "node:crypto";

/** Keys of an AWS account or of a compatible store. */
export interface AwsKeys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Of temporary keys. */
  readonly sessionToken?: string | undefined;
}

/** A request to sign. */
export interface SigningInput {
  readonly method: string;
  /** Its path and query must be encoded by `encodeKey` and `encodeQuery`, because they are signed as they are. */
  readonly url: URL;
  /** Names in lower case. All are signed. */
  readonly headers: Readonly<Record<string, string>>;
  /** SHA-256 of the body in hexadecimal digits, or `UNSIGNED-PAYLOAD`. */
  readonly payload: string;
  readonly keys: AwsKeys;
  readonly region: string;
  readonly service: "s3" | "sts";
  readonly at: Date;
}

const ALGORITHM = "AWS4-HMAC-SHA256";
/** SHA-256 of nothing. */
export const EMPTY_PAYLOAD = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/** Returns the SHA-256 of bytes in hexadecimal digits. */
export function sha256Hex(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

function hmac(key: string | Uint8Array, data: string): Buffer {
  return createHmac("sha256", key).update(data).digest();
}

/**
 * Returns the headers of a request together with those of its signature, AWS Signature Version 4 in the form of headers.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
 */
export function signed({
  method,
  url,
  headers,
  payload,
  keys,
  region,
  service,
  at,
}: SigningInput): Record<string, string> {
  const time = at.toISOString().replace(/[-:]|\.\d{3}/g, "");
  const date = time.slice(0, 8);
  const all: Record<string, string> = {
    ...headers,
    host: url.host,
    "x-amz-date": time,
    ...(service === "s3" ? { "x-amz-content-sha256": payload } : {}),
    ...(keys.sessionToken === undefined ? {} : { "x-amz-security-token": keys.sessionToken }),
  };
  const names = Object.keys(all).toSorted();
  const lines = names.map((name) => `${name}:${(all[name] ?? "").trim().replace(/ {2,}/g, " ")}\n`);
  const list = names.join(";");
  const canonical = [method, url.pathname, url.search.slice(1), lines.join(""), list, payload].join("\n");
  const scope = `${date}/${region}/${service}/aws4_request`;
  const text = [ALGORITHM, time, scope, sha256Hex(canonical)].join("\n");
  const key = hmac(hmac(hmac(hmac(`AWS4${keys.secretAccessKey}`, date), region), service), "aws4_request");
  const signature = hmac(key, text).toString("hex");
  const authorization = `${ALGORITHM} Credential=${keys.accessKeyId}/${scope},SignedHeaders=${list},Signature=${signature}`;
  return { ...all, authorization };
}
