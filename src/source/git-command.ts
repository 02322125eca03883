import { spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { delimiter, isAbsolute, join, resolve } from "node:path";
import { VarveError, toVarveError, withhold } from "../core/index.ts";
import { temporaryDirectory } from "../io/index.ts";
import { ProcessGroup } from "./process-group.ts";

/** Protocols that a remote or a submodule may use. Others that git supports, such as `ext::`, run commands. */
const PROTOCOLS = ["https", "http", "ssh", "git"];
const MAX_OUTPUT = 64 * 1024 * 1024;
/** Variables of this process's environment that git gets. */
const PASSED = ["http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"];
/** Variables that git gets as absolute paths, because it runs in another directory. */
const PASSED_PATHS = ["SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO"];
/** Seconds without data from an HTTP server after which git fails. */
const QUIET = 60;
/** The shell's exit code if the program is not installed. */
const NOT_FOUND = 127;

export interface GitOptions {
  /** The repository's directory (`GIT_DIR`). */
  readonly directory?: string | undefined;
  readonly workTree?: string | undefined;
  /** Git's working directory. */
  readonly cwd?: string | undefined;
  /** Sent as `Authorization` to the remote only. Git gets it through the environment, never as an argument. */
  readonly auth?: { readonly url: string; readonly header: string } | undefined;
  readonly sshSocket?: string | undefined;
  /** The contents of a `known_hosts` file. With it, other hosts are refused. */
  readonly knownHosts?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds without output after which git is stopped. Defaults to no limit. */
  readonly quiet?: number | undefined;
  /** Called with the milliseconds without output, for the first time after `notice` (default 5,000). */
  readonly onQuiet?: ((ms: number) => void) | undefined;
  readonly notice?: number | undefined;
}

function environment(options: GitOptions, hostsFile: string | undefined): NodeJS.ProcessEnv {
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
    GIT_SSH_COMMAND: `ssh -F /dev/null -o BatchMode=yes ${hostCheck(hostsFile)} -o ConnectTimeout=30 -o ServerAliveInterval=20`,
    GIT_CONFIG_COUNT: String(settings.length),
    ...Object.fromEntries(pairs),
    GIT_DIR: options.directory,
    GIT_WORK_TREE: options.workTree,
    SSH_AUTH_SOCK: options.sshSocket === undefined ? undefined : resolve(options.sshSocket),
  };
}

/** Returns ssh's options for checking hosts, as a part of a shell command. */
function hostCheck(hostsFile: string | undefined): string {
  if (hostsFile === undefined) return "-o StrictHostKeyChecking=accept-new";
  const file = `UserKnownHostsFile="${hostsFile}"`.replaceAll("'", "'\\''");
  return `-o StrictHostKeyChecking=yes -o '${file}' -o GlobalKnownHostsFile=/dev/null`;
}

function absolute(path: string | undefined): string | undefined {
  return path === undefined || path === "" ? path : resolve(path);
}

/** Removes relative directories: git runs in repositories, whose files must not be run as programs. */
function programPath(path: string | undefined): string | undefined {
  return path?.split(delimiter).filter(isAbsolute).join(delimiter);
}

/** Returns the URL prefix that credentials are sent to: the repository, or all of GitHub, because of submodules. */
function authScope(url: string): string {
  return url.startsWith("https://github.com/") ? "https://github.com/" : url;
}

/**
 * Runs git without the user's configuration, hooks and prompts, and with a umask of 022. Returns its standard output as text.
 * @throws {VarveError} `remote` if git fails or is quiet for too long, `unsupported` if it is not installed, `limit-exceeded` for
 * too much output, `cancelled`.
 */
export async function git(args: readonly string[], options: GitOptions = {}): Promise<string> {
  return (await gitBytes(args, options)).toString();
}

/** Like `git`, but returns its standard output as it is. */
export async function gitBytes(args: readonly string[], options: GitOptions = {}): Promise<Buffer> {
  const { knownHosts } = options;
  if (knownHosts === undefined) return await run(args, options, undefined);
  await using directory = await temporaryDirectory("varve-ssh-");
  const hostsFile = join(directory.path, "known_hosts");
  await writeFile(hostsFile, knownHosts, { mode: 0o600 });
  return await run(args, options, hostsFile);
}

async function run(args: readonly string[], options: GitOptions, hostsFile: string | undefined): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  // A server may echo the credentials, and git prints what a server sends.
  using _hidden = withhold(...(options.auth?.header.split(" ") ?? []));
  const { signal, cwd, quiet, onQuiet, notice } = options;
  const child = spawn("/bin/sh", ["-c", 'umask 022 && exec git "$@"', "git", ...args], {
    env: environment(options, hostsFile),
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
    cwd,
  });
  const what = `run git ${args[0] ?? ""}`;
  using group = new ProcessGroup(child, { signal, quiet, onQuiet, notice, what });
  const out: Buffer[] = [];
  let size = 0;
  let err = "";
  child.stdout.on("data", (chunk: Buffer) => {
    out.push(chunk);
    size += chunk.byteLength;
    if (size > MAX_OUTPUT)
      group.stop(new VarveError("limit-exceeded", `Cannot ${what}: it prints more than ${MAX_OUTPUT} bytes`));
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    err = (err + text).slice(-4096);
  });
  child.on("error", (error) => reject(toVarveError(error, "run git")));
  child.on("close", (code) => {
    if (group.stopped !== undefined) reject(group.stopped);
    else if (code === 0) resolve(Buffer.concat(out));
    else if (code === NOT_FOUND)
      reject(new VarveError("unsupported", "Cannot run git: it is not installed", { hint: "apt-get install git" }));
    else
      reject(new VarveError("remote", `Cannot ${what}: ${err.trim()}`, { details: { exitCode: code ?? undefined } }));
  });
  return await promise;
}
