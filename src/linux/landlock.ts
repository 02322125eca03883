import { systemCall } from "./libc.ts";
import { closeSync } from "node:fs";

const createRuleset = systemCall("landlock_create_ruleset", 444, ["void *", "size_t", "ulong"]);
const addRule = systemCall("landlock_add_rule", 445, ["long", "long", "void *", "ulong"]);
const restrictSelf = systemCall("landlock_restrict_self", 446, ["long", "ulong"]);

/** `linux/landlock.h`. */
const LANDLOCK_CREATE_RULESET_VERSION = 1;
const LANDLOCK_RULE_PATH_BENEATH = 1;
const LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET = 1n;
const LANDLOCK_SCOPE_SIGNAL = 2n;
/** The rights of files that each version of the interface added, as the number of its bits. */
const RIGHTS: readonly (readonly [version: number, bits: bigint])[] = [
  [5, 16n],
  [3, 15n],
  [2, 14n],
  [1, 13n],
];
const SCOPED_VERSION = 6;
/** Bytes of `struct landlock_ruleset_attr` up to the rights of files, and with the scopes. */
const [FILES_ONLY, WITH_SCOPES] = [8, 24];

/** Returns the version of Landlock that this kernel has and allows; 0 if none. */
export function landlockVersion(): number {
  return Math.max(0, createRuleset.attempt(null, 0, LANDLOCK_CREATE_RULESET_VERSION));
}

/**
 * From now on this thread, and whatever it executes, reaches only files below a directory, whatever path leads to others. From version 6
 * on (Linux 6.12), it can also signal only processes that it started, and connect to their abstract sockets only. Needs no_new_privs or
 * CAP_SYS_ADMIN. Does nothing without Landlock.
 *
 * @param directory - a descriptor, perhaps opened with O_PATH
 */
export function confineTo(directory: number): void {
  const version = landlockVersion();
  if (version === 0) return;
  const bits = RIGHTS.find(([since]) => version >= since)?.[1] ?? 13n;
  const rights = (1n << bits) - 1n;
  const attributes = Buffer.alloc(version >= SCOPED_VERSION ? WITH_SCOPES : FILES_ONLY);
  attributes.writeBigUInt64LE(rights, 0);
  if (version >= SCOPED_VERSION)
    attributes.writeBigUInt64LE(LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | LANDLOCK_SCOPE_SIGNAL, 16);
  const ruleset = createRuleset({}, attributes, attributes.length, 0);
  try {
    // struct landlock_path_beneath_attr, which is packed
    const rule = Buffer.alloc(12);
    rule.writeBigUInt64LE(rights, 0);
    rule.writeInt32LE(directory, 8);
    addRule({}, ruleset, LANDLOCK_RULE_PATH_BENEATH, rule, 0);
    restrictSelf({}, ruleset, 0);
  } finally {
    closeSync(ruleset);
  }
}
