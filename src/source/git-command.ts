import { spawn } from "node:child_process";
import { delimiter, isAbsolute, resolve } from "node:path";
import { VarveError, toVarveError, withhold } from "../core/index.ts";
import { ProcessGroup } from "./process-group.ts";

/** Protocols a remote, or one of its submodules, may use. Everything else git knows (`ext::` above all) runs commands. */
const PROTOCOLS = ["https", "http", "ssh", "git"];
const MAX_OUTPUT = 64 * 1024 * 1024;
/** What git is let know of the caller's environment: where programs are, how to get out, whom to trust. */
const PASSED = ["http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"];
/** Those of them that are paths. Git is run in other directories. */
const PASSED_PATHS = ["SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO"];
/** Seconds after which git gives up an HTTP server that sends nothing. */
const QUIET = 60;
/** The exit code of a shell that does not find the program. */
const NOT_FOUND = 127;

export interface GitOptions {
  /** The repository's directory (`GIT_DIR`). */
  readonly directory?: string | undefined;
  readonly workTree?: string | undefined;
  /** Where git is run. */
  readonly cwd?: string | undefined;
  /** Sent as `Authorization` to the remote's host only, through the environment and never as an argument. */
  readonly auth?: { readonly url: string; readonly header: string } | undefined;
  readonly sshSocket?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds after which git is given up when it prints nothing; for ever unless said. */
  readonly quiet?: number | undefined;
  /** Told how many milliseconds git has printed nothing, from `notice` (default 5,000) on. */
  readonly onQuiet?: ((ms: number) => void) | undefined;
  readonly notice?: number | undefined;
}

function environment(options: GitOptions): NodeJS.ProcessEnv {
  const settings: [string, string][] = [
    ["protocol.allow", "never"],
    ...PROTOCOLS.map((name): [string, string] => [`protocol.${name}.allow`, "always"]),
    ["protocol.file.allow", "user"],
    ["core.hooksPath", "/dev/null"],
    ["safe.directory", "*"],
    ["advice.detachedHead", "false"],
    ["http.lowSpeedLimit", "1"],
    ["http.lowSpeedTime", String(QUIET)],
  ];
  if (options.auth !== undefined)
    settings.push([`http.${authScope(options.auth.url)}.extraHeader`, `Authorization: ${options.auth.header}`]);
  const passed = [
    ...PASSED.map((name) => [name, process.env[name]] as const),
    ...PASSED_PATHS.map((name) => [name, absolute(process.env[name])] as const),
    ["PATH", programPath(process.env["PATH"])] as const,
  ].filter(([, value]) => value !== undefined);
  const pairs = settings.flatMap(([key, value], i): [string, string][] => [
    [`GIT_CONFIG_KEY_${i}`, key],
    [`GIT_CONFIG_VALUE_${i}`, value],
  ]);
  return {
    ...Object.fromEntries(passed),
    HOME: "/nonexistent",
    LC_ALL: "C",
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_TERMINAL_PROMPT: "0",
    GIT_SSH_COMMAND:
      "ssh -o BatchMode=yes -o StrictHostKeyChecking=accept-new -o ConnectTimeout=30 -o ServerAliveInterval=20",
    GIT_CONFIG_COUNT: String(settings.length),
    ...Object.fromEntries(pairs),
    ...(options.directory === undefined ? {} : { GIT_DIR: options.directory }),
    ...(options.workTree === undefined ? {} : { GIT_WORK_TREE: options.workTree }),
    ...(options.sshSocket === undefined ? {} : { SSH_AUTH_SOCK: resolve(options.sshSocket) }),
  };
}

function absolute(path: string | undefined): string | undefined {
  return path === undefined || path === "" ? path : resolve(path);
}

/** Without relative directories: git is run in repositories, whose files must not be taken for programs. */
function programPath(path: string | undefined): string | undefined {
  return path?.split(delimiter).filter(isAbsolute).join(delimiter);
}

/** A credential goes to the repository it was given for; on GitHub to all others too, for the sake of submodules. */
function authScope(url: string): string {
  return url.startsWith("https://github.com/") ? "https://github.com/" : url;
}

/**
 * Runs git, without the user's configuration, hooks or prompts, and returns what it prints. Files it makes have the
 * permissions that a umask of 022 leaves. Throws `remote` if it fails, `unsupported` if it is not installed.
 */
export async function git(args: readonly string[], options: GitOptions = {}): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  // A server may send back what it was sent, and git prints that.
  using _hidden = withhold(...(options.auth?.header.split(" ") ?? []));
  const { signal, cwd, quiet, onQuiet, notice } = options;
  const child = spawn("/bin/sh", ["-c", 'umask 022 && exec git "$@"', "git", ...args], {
    env: environment(options),
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
    cwd,
  });
  const what = `run git ${args[0] ?? ""}`;
  using group = new ProcessGroup(child, { signal, quiet, onQuiet, notice, what });
  let out = "";
  let err = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out += text;
    if (out.length > MAX_OUTPUT)
      group.stop(new VarveError("limit-exceeded", `Cannot ${what}: it prints more than ${MAX_OUTPUT} bytes`));
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    err = (err + text).slice(-4096);
  });
  child.on("error", (error) => reject(toVarveError(error, "run git")));
  child.on("close", (code) => {
    if (group.stopped !== undefined) reject(group.stopped);
    else if (code === 0) resolve(out);
    else if (code === NOT_FOUND)
      reject(new VarveError("unsupported", "Cannot run git: it is not installed", { hint: "apt-get install git" }));
    else
      reject(new VarveError("remote", `Cannot ${what}: ${err.trim()}`, { details: { exitCode: code ?? undefined } }));
  });
  return await promise;
}
