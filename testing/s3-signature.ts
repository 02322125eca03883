import { createHash, createHmac } from "node:crypto";

/** The parts of a request that a signature covers, as they came. */
export interface SignedRequest {
  readonly method: string;
  /** Path and query, not decoded. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Uint8Array;
}

/**
 * Says why a signature of AWS (version 4, in the header) is wrong; undefined if it is right. Written from the specification and not
 * from the signer, and checked with other clients' requests.
 */
export function signatureFault(
  request: SignedRequest,
  keys: { readonly id: string; readonly secret: string },
): string | undefined {
  const text = (name: string): string => String(request.headers[name] ?? "");
  const match =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request,\s*SignedHeaders=([^,]+),\s*Signature=([0-9a-f]{64})$/.exec(
      text("authorization"),
    );
  if (match === null) return "no AWS4-HMAC-SHA256 authorization";
  const [, id, day = "", region = "", service = "", list = "", signature] = match;
  if (id !== keys.id) return `unknown access key ${id}`;
  const stamp = text("x-amz-date");
  if (!stamp.startsWith(day)) return "x-amz-date is of another day than the credential";
  const names = list.split(";");
  for (const name of Object.keys(request.headers))
    if ((name.startsWith("x-amz-") || name === "host") && !names.includes(name)) return `${name} is not signed`;
  const actual = createHash("sha256").update(request.body).digest("hex");
  // Services other than S3 have no such header.
  const payload = text("x-amz-content-sha256") || actual;
  if (payload !== "UNSIGNED-PAYLOAD" && payload !== actual) return "x-amz-content-sha256 is not the hash of the body";
  const [path = "", query = ""] = request.url.split("?");
  const parameters = query === "" ? [] : query.split("&").map((pair) => (pair.includes("=") ? pair : `${pair}=`));
  const head = names.map((name) => `${name}:${text(name).trim()}\n`).join("");
  const canonical = `${request.method}\n${path}\n${parameters.toSorted().join("&")}\n${head}\n${list}\n${payload}`;
  let key: Buffer = Buffer.from(`AWS4${keys.secret}`);
  for (const part of [day, region, service, "aws4_request"]) key = createHmac("sha256", key).update(part).digest();
  const toSign = [
    "AWS4-HMAC-SHA256",
    stamp,
    `${day}/${region}/${service}/aws4_request`,
    createHash("sha256").update(canonical).digest("hex"),
  ].join("\n");
  return createHmac("sha256", key).update(toSign).digest("hex") === signature
    ? undefined
    : "the signature does not match";
}
