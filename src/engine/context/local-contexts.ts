import { Limits, VarveError } from "../../core/index.ts";
import { StatCache } from "../../contenthash/index.ts";
import type { LocalSource } from "../../llb/index.ts";
import { type LocalContext, openLocalContext, readContextFile } from "../../source/index.ts";
import type { Database } from "../../state/index.ts";
import { readIgnorePatterns } from "./ignore-file.ts";

/** A local directory that a build reads. */
export interface LocalDirectory {
  readonly path: string;
  /** True if later builds can read the same directory. Only then are checksums of its files cached. */
  readonly lasting: boolean;
}

/** The context directories of one build by the names of their `local://` sources. */
export class LocalContexts {
  readonly #state: Database;
  readonly #signal: AbortSignal | undefined;
  readonly #directories = new Map<string, LocalDirectory>();
  readonly #contexts = new Map<string, Promise<LocalContext>>();

  constructor(state: Database, signal: AbortSignal | undefined) {
    this.#state = state;
    this.#signal = signal;
  }

  add(name: string, directory: LocalDirectory): void {
    this.#directories.set(name, directory);
  }

  /** Scans a directory. Calls with the same name and patterns share one scan. */
  open(source: LocalSource): Promise<LocalContext> {
    const { name, excludePatterns = [], includePatterns = [], followPaths = [] } = source;
    const key = JSON.stringify([name, excludePatterns, includePatterns, followPaths]);
    const known = this.#contexts.get(key);
    if (known !== undefined) return known;
    const { path, lasting } = this.#directory(name);
    const context = openLocalContext(path, {
      name,
      excludePatterns,
      includePatterns,
      followPaths,
      cache: lasting ? new StatCache(this.#state) : undefined,
      signal: this.#signal,
    });
    this.#contexts.set(key, context);
    return context;
  }

  /** Returns the patterns of a directory's `.dockerignore`, or none if the file does not exist. */
  ignorePatterns(name: string): readonly string[] {
    const text = readContextFile(this.#directory(name).path, ".dockerignore", Limits.ignoreFile);
    return text === undefined ? [] : readIgnorePatterns(`${name}/.dockerignore`, text);
  }

  #directory(name: string): LocalDirectory {
    const directory = this.#directories.get(name);
    if (directory !== undefined) return directory;
    throw new VarveError("internal", `Cannot read context ${name}: this build has no context of that name`);
  }
}
