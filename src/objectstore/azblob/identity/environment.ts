import { X509Certificate, constants, createHash, randomUUID, sign } from "node:crypto";
import { readFile } from "node:fs/promises";
import { applicationToken, assertion } from "./entra.ts";
import { type EntraToken, type IdentityContext, authorityUrl, noToken } from "./token.ts";

/** Seconds for which an assertion is valid. */
const VALID = 600;

/** The service principal that the environment names, with its secret or its certificate. */
export async function environmentToken(context: IdentityContext): Promise<EntraToken | undefined> {
  const { env } = context;
  const tenant = env["AZURE_TENANT_ID"] ?? "";
  const client = env["AZURE_CLIENT_ID"] ?? "";
  const secret = env["AZURE_CLIENT_SECRET"] ?? "";
  const certificate = env["AZURE_CLIENT_CERTIFICATE_PATH"] ?? "";
  if (tenant === "" || client === "" || (secret === "" && certificate === "")) return undefined;
  const url = authorityUrl(context, tenant);
  const proof = secret === "" ? assertion(await signedBy(certificate, { client, url })) : { client_secret: secret };
  return await applicationToken(url, client, proof, context);
}

const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");

/** Returns a JWT that is signed by the key of a PEM file, which has the certificate too. */
async function signedBy(
  path: string,
  { client, url }: { readonly client: string; readonly url: URL },
): Promise<string> {
  try {
    const pem = await readFile(path);
    const thumbprint = createHash("sha256").update(new X509Certificate(pem).raw).digest("base64url");
    const now = Math.floor(Date.now() / 1000);
    const header = { alg: "PS256", typ: "JWT", "x5t#S256": thumbprint };
    const claims = { aud: url.href, iss: client, sub: client, jti: randomUUID(), nbf: now, exp: now + VALID };
    const text = `${encoded(header)}.${encoded(claims)}`;
    const key = { key: pem, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
    return `${text}.${sign("sha256", Buffer.from(text), key).toString("base64url")}`;
  } catch (error) {
    throw noToken(`the certificate ${path} cannot be used`, error);
  }
}
