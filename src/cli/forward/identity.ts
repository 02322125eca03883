import { readFileSync, readlinkSync, realpathSync, statSync } from "node:fs";

const NAMESPACES = ["cgroup", "ipc", "net", "pid", "user", "uts"];
/** Lines of /proc/self/status: who the process is, and what it may do. */
const STATUS = /^(?:Umask|Uid|Gid|Groups|CapEff|CapBnd|NoNewPrivs|Seccomp):.*$/gm;
/** Variables that the engine reads from its own environment. */
const VARIABLES = [
  ...["http_proxy", "https_proxy", "all_proxy", "no_proxy"].flatMap((name) => [name, name.toUpperCase()]),
  "SSL_CERT_FILE",
  "SSL_CERT_DIR",
  "GIT_SSL_CAINFO",
  "NODE_EXTRA_CA_CERTS",
];

/** Returns the mount namespace of this process, such as `mnt:[4026531841]`. */
export function mountNamespace(): string {
  return readlinkSync("/proc/self/ns/mnt");
}

/**
 * Describes the program, its user and rights, the namespaces it is in, and the variables that it reads. A command has the same effect in
 * two processes whose descriptions are equal. `mounts` is the mount namespace in which the process started.
 */
export function machineIdentity(mounts: string, env: NodeJS.ProcessEnv = process.env): string {
  const { dev, ino, mtimeMs } = statSync(realpathSync(process.argv[1] ?? "/"));
  const root = statSync("/");
  return JSON.stringify([
    process.version,
    [dev, ino, mtimeMs],
    [root.dev, root.ino],
    readFileSync("/proc/self/status", "latin1").match(STATUS),
    [mounts, ...NAMESPACES.map((name) => readlinkSync(`/proc/self/ns/${name}`))],
    VARIABLES.map((name) => env[name] ?? null),
  ]);
}
