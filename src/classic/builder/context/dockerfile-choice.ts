import { lstatSync, readFileSync, rmSync } from "node:fs";
import { Limits, errnoOf, isVarveError } from "../../../core/index.ts";
import { PatternMatcher, cleanPath, parseIgnoreFile } from "../../../pattern/index.ts";
import { failure } from "../failure.ts";
import type { HashedTree } from "./hashed-tree.ts";

const DEFAULT = "Dockerfile";
const IGNORE = ".dockerignore";

/** Reads the Dockerfile of a context. If there is none, throws the daemon's error. */
export function readDockerfile(tree: HashedTree, name: string): { readonly name: string; readonly bytes: Buffer } {
  const clean = cleanPath(name);
  if (clean === ".." || clean.startsWith("../"))
    throw failure(500, `forbidden path outside the build context: ${name} ()`);
  const names = name === DEFAULT ? [DEFAULT, DEFAULT.toLowerCase()] : [name];
  for (const each of names) {
    const bytes = readFile(tree, each, Limits.dockerfile);
    if (bytes?.length === 0) throw failure(400, `the Dockerfile (${each}) cannot be empty`);
    if (bytes !== undefined) return { name: each, bytes };
  }
  throw failure(500, `Cannot locate specified Dockerfile: ${name}`);
}

/** Removes the Dockerfile and the ignore file from the context if the ignore file excludes them. Clients filter the rest. */
export function dropIgnored(tree: HashedTree, dockerfile: string): void {
  const ignore = readFile(tree, IGNORE, Limits.ignoreFile);
  if (ignore === undefined) return;
  const matcher = matcherOf(parseIgnoreFile(ignore));
  for (const name of [IGNORE, cleanPath(`/${dockerfile}`).slice(1)])
    if (matcher.matches(name)) rmSync(tree.fullPath(tree.resolve(name)), { recursive: true, force: true });
}

/** Returns no patterns if one of them is malformed, as the daemon does. */
function matcherOf(patterns: readonly string[]): PatternMatcher {
  try {
    return new PatternMatcher(patterns);
  } catch (error) {
    if (!isVarveError(error, "invalid-build")) throw error;
    return new PatternMatcher([]);
  }
}

function readFile(tree: HashedTree, name: string, limit: number): Buffer | undefined {
  try {
    const path = tree.fullPath(tree.resolve(name));
    const stat = lstatSync(path);
    if (!stat.isFile()) return undefined;
    if (stat.size > limit) throw failure(400, `Cannot read ${name}: it is larger than ${limit} bytes`);
    return readFileSync(path);
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "ELOOP"].includes(errnoOf(error) ?? "")) return undefined;
    throw error;
  }
}
