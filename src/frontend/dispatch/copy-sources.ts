import {
  type AddInstruction,
  type CopyInstruction,
  type GitRef,
  JSON_HINT,
  type Linter,
  fault,
  isGitSource,
  isHttpSource,
  looksLikeJson,
  parseGitRef,
} from "../../dockerfile/index.ts";
import {
  type CopyOptions,
  type FileActions,
  type Owner,
  type State,
  fileActions,
  internalName,
  scratch,
} from "../../llb/index.ts";
import { VarveError, goQuote, isVarveError } from "../../core/index.ts";
import { PatternMatcher, checkGlob, cleanPath, hasGlob, joinPath } from "../../pattern/index.ts";
import { addedFile, addedRepository } from "./added-sources.ts";
import { absolutePath, withoutDrive } from "./paths.ts";
import type { StageState } from "./stage-state.ts";

/** A COPY or ADD with what its file actions need. */
export interface CopyJob {
  readonly instruction: AddInstruction | CopyInstruction;
  readonly stage: StageState;
  /** The tree from which paths are read. */
  readonly from: State;
  readonly destination: string;
  readonly owner: Owner | undefined;
  readonly mode: number | string | undefined;
  readonly name: string;
  /** The ignore file's patterns, if paths are read from the main context. */
  readonly ignored: PatternMatcher | undefined;
  readonly linter: Linter;
}

function commonOptions({ owner, mode, instruction }: CopyJob): CopyOptions {
  return {
    createDestPath: true,
    owner,
    mode,
    ...(instruction.exclude.length === 0 ? {} : { excludePatterns: instruction.exclude }),
  };
}

function addGit(actions: FileActions, job: CopyJob, ref: GitRef): FileActions {
  if (job.instruction.kind !== "add") throw fault("source can't be a git ref for COPY");
  return actions.copy(addedRepository(job.instruction, ref, job.name), "/", job.destination, commonOptions(job));
}

function addHttp(actions: FileActions, job: CopyJob, url: string): FileActions {
  const { instruction } = job;
  if (instruction.kind !== "add") throw fault("source can't be a URL for COPY");
  const { state: download, filename } = addedFile(instruction, url, job.name);
  return actions.copy(download, filename, job.destination, {
    ...commonOptions(job),
    ...(instruction.unpack === true ? { attemptUnpack: true } : {}),
  });
}

function excludesAll({ patterns }: PatternMatcher): boolean {
  return patterns.some(({ exclusion, text }) => !exclusion && ["*", "**", "**/*"].includes(text));
}

/** Warns about a source that the ignore file excludes. Ignore files with `!` patterns are not checked, as in BuildKit. */
function lintIgnored({ ignored, instruction, linter }: CopyJob, source: string): void {
  if (ignored === undefined || ignored.hasExclusions) return;
  const path = cleanPath(source);
  if ((path === "." || path === "/") && !excludesAll(ignored)) return;
  if (!ignored.matches(path)) return;
  const command = instruction.kind === "add" ? "Add" : "Copy";
  const message = `Attempting to ${command} file ${goQuote(path)} that is excluded by .dockerignore`;
  linter.warn("CopyIgnoredFile", instruction.range, message);
}

interface ParentsCopy {
  readonly source: string;
  readonly includePatterns: readonly string[];
  readonly requiredPaths: readonly string[];
}

/** Returns a source of `--parents`: the path becomes a pattern relative to the pivot `/./`, or to the root. */
function parentsCopy(source: string, os: string): ParentsCopy {
  const pivot = source.indexOf("/./");
  const root = pivot < 0 ? "/" : source.slice(0, pivot);
  const pattern = absolutePath("/", pivot < 0 ? source : source.slice(pivot + 3), os, false);
  const isFixed = !hasGlob(root) && !hasGlob(pattern);
  const requiredPaths = isFixed ? [absolutePath("/", joinPath(root, pattern), os, false)] : [];
  return { source: root, includePatterns: [pattern.replace(/^\//, "")], requiredPaths };
}

/** Runs `check`. If the arguments look like a malformed JSON array, its errors say so. */
function withJsonHint(check: () => void, { instruction }: CopyJob): void {
  try {
    check();
  } catch (error) {
    if (!isVarveError(error, "invalid-build") || !looksLikeJson(instruction.code)) throw error;
    const message = `${error.message}; the arguments look like a JSON array, but are not one`;
    throw new VarveError("invalid-build", message, { hint: JSON_HINT, cause: error });
  }
}

function addPath(actions: FileActions, job: CopyJob, path: string): FileActions {
  const { instruction } = job;
  if (hasGlob(path)) withJsonHint(() => checkGlob(path), job);
  lintIgnored(job, path);
  const { os } = job.stage.platform;
  const parents = instruction.kind === "copy" && instruction.parents ? parentsCopy(path, os) : undefined;
  const unpack = instruction.kind === "add" && (instruction.unpack ?? true);
  return actions.copy(job.from, absolutePath("/", parents?.source ?? path, os, false), job.destination, {
    ...commonOptions(job),
    followSymlink: true,
    dirCopyContents: true,
    allowWildcard: true,
    allowEmptyWildcard: true,
    ...(unpack ? { attemptUnpack: true } : {}),
    ...(parents === undefined
      ? {}
      : { includePatterns: parents.includePatterns, requiredPaths: parents.requiredPaths }),
  });
}

function addSource(actions: FileActions, job: CopyJob, source: string): FileActions {
  const ref = parseGitRef(source);
  if (ref !== undefined) return addGit(actions, job, ref);
  return isHttpSource(source) ? addHttp(actions, job, source) : addPath(actions, job, source);
}

/** Returns the actions that copy all sources: paths and URLs in order, then heredocs. */
export function copyActions(job: CopyJob): FileActions {
  const { instruction, stage, destination } = job;
  void new PatternMatcher(instruction.exclude);
  const copied = instruction.sources.reduce((actions, source) => addSource(actions, job, source), fileActions());
  return instruction.inline.reduce((actions, { path, data }) => {
    const options = { name: internalName("preparing inline document"), platform: stage.platform };
    const name = withoutDrive(path, stage.platform.os, false);
    const file = scratch().file(fileActions().mkfile(name, 0o644, data), options);
    return actions.copy(file, name, destination, commonOptions(job));
  }, copied);
}

/**
 * Checks that `--checksum` is used with exactly one download or repository.
 * @throws {VarveError} `invalid-build` otherwise.
 */
export function checkChecksum(instruction: AddInstruction | CopyInstruction): void {
  if (instruction.kind !== "add" || instruction.checksum === "") return;
  const [source = "", ...more] = instruction.sources;
  if (instruction.sources.length === 0 || more.length > 0)
    throw fault("checksum can't be specified for multiple sources");
  if (!isHttpSource(source) && !isGitSource(source)) throw fault("checksum requires HTTP(S) or Git sources");
}
