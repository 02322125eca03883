import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { findProgram } from "../scripts/lib/system-packages.ts";
import { isRootUser } from "../src/linux/index.ts";

/** An ordinary user of this machine, who has subordinate ids. */
export interface OrdinaryUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  /** What a command is run by, so that it runs as this user. */
  readonly wrapper: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

const NAME = "varve-test";
const IDS = "2000000-2065535";
const PROGRAMS = ["useradd", "usermod", "setpriv", "unshare", "newuidmap", "newgidmap", "runuser"];

/** Makes a user for the tests, unless there is one. Returns why that is not possible, if it is not. */
export function ordinaryUser(): OrdinaryUser | string {
  if (!isRootUser()) return "only root can make a user";
  const missing = PROGRAMS.filter((program) => findProgram(program) === undefined);
  if (missing.length > 0) return `${missing.join(", ")} not installed: apt-get install uidmap`;
  const user = readUser() ?? made();
  if (user === undefined) return "no user can be made";
  const [program = "", ...before] = user.wrapper;
  const node = spawnSync(program, [...before, process.execPath, "-e", "require('./package.json')"], { env: user.env });
  return node.status === 0 ? user : "an ordinary user cannot read this checkout";
}

/** Other tests may make the user at the same time: then this fails, and the user is there. */
function made(): OrdinaryUser | undefined {
  spawnSync("useradd", ["--create-home", "--shell", "/bin/sh", NAME]);
  for (const file of ["subuid", "subgid"])
    if (!new RegExp(`^${NAME}:`, "m").test(readFileSync(`/etc/${file}`, "utf8")))
      spawnSync("usermod", [`--add-${file}s`, IDS, NAME]);
  return readUser();
}

function readUser(): OrdinaryUser | undefined {
  const line = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .find((each) => each.startsWith(`${NAME}:`));
  if (line === undefined) return undefined;
  const [, , uid, gid, , home = "/"] = line.split(":");
  const wrapper = [findProgram("setpriv") ?? "", `--reuid=${uid}`, `--regid=${gid}`, "--init-groups"];
  const env = { PATH: "/usr/bin:/bin:/usr/sbin:/sbin", HOME: home, USER: NAME, LOGNAME: NAME };
  return { name: NAME, uid: Number(uid), gid: Number(gid), wrapper, env };
}
