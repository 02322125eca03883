import { execFileSync } from "node:child_process";
import { userInfo } from "node:os";
import { type IdMaps, findProgramSync, readText } from "../linux/index.ts";
import {
  type SubordinateOwner,
  type SubordinateRange,
  mapOf,
  parseGetsubids,
  parseSubordinateIds,
} from "./subordinate-ids.ts";
import type { Refusal } from "./refusal.ts";

/** How a process gets a user namespace. */
export type NamespacePlan =
  /** With the user's subordinate ids. */
  | { readonly kind: "mapped"; readonly maps: IdMaps; readonly tools: NamespaceTools & MapTools }
  /** With the user's own id only, as root. */
  | { readonly kind: "single"; readonly maps: IdMaps; readonly tools: NamespaceTools };

/** Paths of programs. */
export interface NamespaceTools {
  readonly shell: string;
  readonly unshare: string;
  readonly setpriv: string;
}

/** Programs with the right to write maps with more than one id. */
export interface MapTools {
  readonly newuidmap: string;
  readonly newgidmap: string;
}

/** Milliseconds that a name service has to answer. */
const PATIENCE = 5000;

/** Returns how this user gets a user namespace with all of its ids, or why not. */
export function planMapped(): NamespacePlan | Refusal {
  const tools = namespaceTools();
  if ("reason" in tools) return tools;
  const [newuidmap, newgidmap] = [findProgramSync("newuidmap"), findProgramSync("newgidmap")];
  if (newuidmap === undefined || newgidmap === undefined) return { reason: "no-newuidmap" };
  const owner = ownUser();
  const users = rangesOf(owner, "/etc/subuid", []);
  const groups = rangesOf(owner, "/etc/subgid", ["-g"]);
  const user = owner.name ?? String(owner.uid);
  if (users.length === 0 || groups.length === 0) return { reason: "no-subordinate-ids", user };
  const maps = { users: mapOf(owner.uid, users), groups: mapOf(ownGroup(), groups) };
  return { kind: "mapped", maps, tools: { ...tools, newuidmap, newgidmap } };
}

/** Returns how this user gets a user namespace in which its own id is the only one, or why not. */
export function planSingle(): NamespacePlan | Refusal {
  const tools = namespaceTools();
  if ("reason" in tools) return tools;
  return { kind: "single", maps: { users: mapOf(ownUser().uid, []), groups: mapOf(ownGroup(), []) }, tools };
}

function namespaceTools(): NamespaceTools | Refusal {
  const [shell, unshare, setpriv] = [findProgramSync("sh"), findProgramSync("unshare"), findProgramSync("setpriv")];
  if (shell !== undefined && unshare !== undefined && setpriv !== undefined) return { shell, unshare, setpriv };
  return { reason: "no-util-linux" };
}

function ownUser(): SubordinateOwner {
  const uid = process.geteuid?.() ?? 0;
  try {
    return { name: userInfo().username, uid };
  } catch {
    return { name: undefined, uid };
  }
}

function ownGroup(): number {
  return process.getegid?.() ?? 0;
}

/** The ranges in a file; where the file has none, those that the name service knows, for users of a directory service. */
function rangesOf(owner: SubordinateOwner, path: string, options: readonly string[]): SubordinateRange[] {
  const own = parseSubordinateIds(readText(path), owner);
  const getsubids = own.length > 0 || owner.name === undefined ? undefined : findProgramSync("getsubids");
  if (getsubids === undefined || owner.name === undefined) return own;
  try {
    const found = execFileSync(getsubids, [...options, owner.name], {
      encoding: "utf8",
      timeout: PATIENCE,
      stdio: ["ignore", "pipe", "ignore"],
    });
    return parseGetsubids(found);
  } catch {
    return [];
  }
}
