import { type ErrorCode, Limits, VarveError, parseJson } from "../../core/index.ts";
import { collect } from "../../io/index.ts";
import { STATUS_CODES, type TransportResponse, headerOf, quoted } from "../../http/index.ts";

const MAX_ERRORS = 100;

interface Quoted {
  readonly code?: string | undefined;
  readonly text?: string | undefined;
}

async function quoteBody(response: TransportResponse): Promise<Quoted> {
  try {
    const bytes = await collect(response.body, Limits.errorBody, { what: "an error" });
    const [first] = parseJson(bytes, "an error").requiredObject().objects("errors", MAX_ERRORS);
    if (first === undefined) return {};
    const code = quoted(first.string("code") ?? "");
    const message = quoted(first.string("message") ?? "");
    return { code, text: [code, message].filter((part) => part !== "").join(": ") };
  } catch {
    return {};
  }
}

const HINTS: ReadonlyMap<number, (host: string) => string> = new Map<number, (host: string) => string>([
  [401, (host) => `Log in with "docker login ${host}", or check that the repository exists.`],
  [403, (host) => `The account used for ${host} may not do this: check its rights, or log in with another.`],
  [407, () => "The proxy named in HTTPS_PROXY or HTTP_PROXY asks for credentials."],
  [429, (host) => `${host} limits how often it is asked: wait, log in, or configure a mirror.`],
]);

function codeOf(status: number): ErrorCode {
  if (status === 401 || status === 403) return "unauthorized";
  return status === 404 ? "not-found" : "remote";
}

/**
 * Makes the error for a response without success. Reads the body and quotes the registry's own code and message. `details` have `status`,
 * `host`, the number of `tries` and, if the registry gave one, its `registryCode`.
 */
export async function responseError(
  response: TransportResponse,
  doing: string,
  { host, attempt }: { readonly host: string; readonly attempt: number },
): Promise<VarveError> {
  const { status } = response;
  const { code, text } = await quoteBody(response);
  const said = text === undefined || text === "" ? "" : ` (${text})`;
  const after = headerOf(response.headers, "retry-after");
  const hint = HINTS.get(status)?.(host);
  return new VarveError(
    codeOf(status),
    `Cannot ${doing}: ${host} answered ${status} ${STATUS_CODES.get(status) ?? ""}`.trimEnd() + said,
    {
      details: {
        status,
        host,
        tries: attempt,
        ...(code === undefined || code === "" ? {} : { registryCode: code }),
        ...(after === undefined ? {} : { retryAfter: quoted(after) }),
      },
      hint,
    },
  );
}
