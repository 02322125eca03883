import { VarveError, errnoOf, parseJson, throwIfAborted } from "../../core/index.ts";
import { ANONYMOUS, type Credential } from "./credentials.ts";

interface Outcome {
  readonly status: number | undefined;
  readonly output: string;
}

export interface HelperOptions {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds until the helper is killed. */
  readonly timeout?: number | undefined;
  /** The helper's environment. The program is searched for in its `PATH`. Default: that of this process. */
  readonly env?: NodeJS.ProcessEnv | undefined;
}

const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/;
const TIMEOUT_MS = 30_000;
const MAX_OUTPUT = 1_048_576;
/** Output of helpers that have no credential for the host. */
const NOT_FOUND = /credentials not found in native keychain|no credentials server URL|no credentials username/i;

function helperError(helper: string, host: string, why: string): VarveError {
  return new VarveError("unauthorized", `Cannot get credentials of registry ${host} from ${helper}: ${why}`, {
    hint: `Check that ${helper} works, or remove it from credsStore and credHelpers in Docker's config.json.`,
  });
}

async function run(program: string, host: string, options: HelperOptions): Promise<Outcome> {
  const { signal, timeout = TIMEOUT_MS, env = process.env } = options;
  const { execFile } = await import("node:child_process");
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  const limits = { timeout, killSignal: "SIGKILL" as const, maxBuffer: MAX_OUTPUT, signal, env };
  const child = execFile(program, ["get"], limits, (error, output) => {
    if (signal?.aborted !== true && error !== null) {
      if (error.killed === true) return resolve({ status: undefined, output: `no answer within ${timeout} ms` });
      if (typeof error.code === "string") return resolve({ status: undefined, output: explain(error) });
    }
    resolve({ status: error === null ? 0 : Number(error.code ?? 1), output });
  });
  child.stdin?.on("error", () => undefined);
  child.stdin?.end(host);
  return await promise;
}

function explain(error: unknown): string {
  const code = errnoOf(error);
  if (code === "ENOENT") return "no such program";
  return code === "ERR_CHILD_PROCESS_STDIO_MAXBUFFER" ? "it prints too much" : (code ?? "it cannot be started");
}

/**
 * Asks `docker-credential-<name>` for the credential of a host: docker-credential-helpers' protocol, `get`. Anonymous if
 * the helper knows none; throws `unauthorized` if it fails.
 */
export async function askHelper(name: string, host: string, options: HelperOptions): Promise<Credential> {
  const program = `docker-credential-${name}`;
  if (!NAME.test(name)) throw helperError(JSON.stringify(name.slice(0, 100)), host, "it is not the name of a helper");
  throwIfAborted(options.signal, "get credentials");
  const { status, output } = await run(program, host, options);
  throwIfAborted(options.signal, "get credentials");
  if (status === undefined) throw helperError(program, host, output);
  if (status !== 0) {
    if (NOT_FOUND.test(output)) return ANONYMOUS;
    throw helperError(program, host, `it ended with status ${status}`);
  }
  const error = (): VarveError => helperError(program, host, "its answer is not in the form of a credential helper");
  const answer = parseJson(output, program, { error }).requiredObject();
  const [username, secret] = [answer.string("Username"), answer.string("Secret")];
  if (username === undefined || secret === undefined) throw error();
  if (secret === "") return ANONYMOUS;
  return username === "<token>"
    ? { kind: "identity-token", token: secret }
    : { kind: "basic", username, password: secret };
}
