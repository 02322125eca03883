import { chmodSync, existsSync, lstatSync, mkdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { VarveError } from "../core/index.ts";
import type { Driver, Stack } from "./driver.ts";
import { checkDepth } from "./layers.ts";
import { checkUnmounted } from "./mounted-tree.ts";
import type { MountSpec } from "./snapshotter.ts";
import { metadataOf, setMetadata } from "./tree/index.ts";
import { volatileMark } from "./volatile-mark.ts";

const tree = (own: string): string => join(own, "fs");
const work = (own: string): string => join(own, "work");

/**
 * Keeps the changes of each snapshot in a directory `fs`; overlayfs stacks these. The kernel uses a second directory, `work`. The name
 * says which attributes overlayfs uses.
 */
export function overlayDriver(name: "overlay" | "overlay-user"): Driver {
  return { ...COMMON, name, spec: (stack, empty) => specOf(stack, empty, name === "overlay-user" ? USER_XATTR : {}) };
}

interface Attributes {
  readonly userXattr?: boolean;
}

const USER_XATTR: Attributes = { userXattr: true };

const COMMON: Omit<Driver, "name" | "spec"> = {
  owns: (kind) => kind === "active",
  upper: tree,
  tree,
  checkIdle: (own, doing) => checkUnmounted(tree(own), doing),

  // Three calls take less time than waiting for a thread of libuv's pool three times.
  create(own, below) {
    const root = tree(own);
    mkdirSync(root, { mode: 0o755 });
    chmodSync(root, 0o755);
    const parent = below[0];
    if (parent === undefined) return Promise.resolve();
    mkdirSync(work(own), { mode: 0o700 });
    // The root directory of an overlay is that of its top layer.
    const above = tree(parent);
    setMetadata(root, metadataOf(lstatSync(above, { bigint: true })), { isLink: false, attributesOf: above });
    return Promise.resolve();
  },

  merge: () => Promise.resolve(),

  seal(own, doing) {
    checkUnmounted(tree(own), doing);
    if (existsSync(volatileMark(work(own)))) {
      const state = "another process has mounted it, or was killed while it was mounted";
      throw new VarveError("busy", `Cannot ${doing}: ${state}`);
    }
  },

  // Only the kernel wrote there. In libuv's pool, because the file system may be busy with a sync.
  settle: (own) => rm(work(own), { recursive: true, force: true }),
};

function specOf(stack: Stack, empty: string, attributes: Attributes): MountSpec {
  const { own, below } = stack;
  const lower = below.map(tree);
  if (stack.kind !== "active") return readOnly(own === undefined ? lower : [tree(own), ...lower], empty, attributes);
  const upper = tree(stack.own);
  if (lower.length === 0) return { kind: "bind", source: upper, readonly: false };
  checkDepth(lower.length, "mount a snapshot");
  const volatile = stack.volatile ? { volatile: true } : {};
  return { kind: "overlay", lower, upper, work: work(stack.own), ...volatile, ...attributes };
}

/** Returns a read-only mount. overlayfs needs at least two directories without an upper one, so a single one is bound. */
function readOnly(lower: readonly string[], empty: string, attributes: Attributes): MountSpec {
  checkDepth(lower.length, "mount a snapshot");
  const [only] = lower;
  if (lower.length > 1) return { kind: "overlay", lower, ...attributes };
  return { kind: "bind", source: only ?? empty, readonly: true };
}
