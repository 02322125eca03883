import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { Limits } from "../../core/index.ts";
import { StatCache, gitMode } from "../../contenthash/index.ts";
import type { LocalSource } from "../../llb/index.ts";
import { type LocalContext, openLocalContext, readContextFile } from "../../source/index.ts";
import type { Hold } from "../../record/index.ts";
import type { Database } from "../../state/index.ts";
import type { BuildClient } from "../client/client.ts";
import { readIgnorePatterns } from "./ignore-file.ts";

/** A local directory that a build reads. */
export interface LocalDirectory {
  readonly path: string;
  /** True if later builds can read the same directory. Only then are checksums of its files cached. */
  readonly lasting: boolean;
}

interface LocalContextsDeps {
  readonly state: Database;
  /** Opens the directories that the build itself has not. */
  readonly client: Pick<BuildClient, "openLocal">;
  readonly hold: Hold;
  /** See `BuildSettings.normalizeContext`. */
  readonly normalize: boolean | "git";
}

/** The context directories of one build by the names of their `local://` sources. */
export class LocalContexts {
  readonly #deps: LocalContextsDeps;
  readonly #directories = new Map<string, LocalDirectory>();
  readonly #contexts = new Map<string, Promise<LocalContext>>();

  constructor(deps: LocalContextsDeps) {
    this.#deps = deps;
  }

  add(name: string, directory: LocalDirectory): void {
    this.#directories.set(name, directory);
  }

  /** Scans a directory. Calls with the same name and options share one scan. `onTransfer` is called as in `BuildClient`. */
  open(source: LocalSource, onTransfer?: (bytes: number) => void): Promise<LocalContext> {
    const key = JSON.stringify(source);
    const known = this.#contexts.get(key);
    if (known !== undefined) return known;
    const context = this.#open(source, onTransfer);
    this.#contexts.set(key, context);
    return context;
  }

  /** Returns the patterns of a directory's `.dockerignore`, or none if the file does not exist. */
  async ignorePatterns(name: string): Promise<readonly string[]> {
    const path = this.#directories.get(name)?.path ?? (await this.open({ name, followPaths: [".dockerignore"] })).path;
    const text = readContextFile(path, ".dockerignore", Limits.ignoreFile);
    return text === undefined ? [] : readIgnorePatterns(`${name}/.dockerignore`, text);
  }

  async #open(source: LocalSource, onTransfer?: (bytes: number) => void): Promise<LocalContext> {
    const { name, excludePatterns = [], includePatterns = [], followPaths = [] } = source;
    const { state, client, hold, normalize } = this.#deps;
    const directory = this.#directories.get(name);
    if (directory === undefined) return await client.openLocal(source, hold, onTransfer);
    const isNormal = normalize === "git" ? isInWorkTree(directory.path) : normalize;
    return await openLocalContext(directory.path, {
      name,
      excludePatterns,
      includePatterns,
      followPaths,
      modes: isNormal ? gitMode : undefined,
      cache: directory.lasting ? new StatCache(state, isNormal ? "git modes" : "") : undefined,
      signal: hold.signal,
    });
  }
}

/** Whether a directory is in a work tree of git: it, or one above it, has an entry `.git`. */
function isInWorkTree(directory: string): boolean {
  if (existsSync(join(directory, ".git"))) return true;
  const above = dirname(directory);
  return above !== directory && isInWorkTree(above);
}
