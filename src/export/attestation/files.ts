import { createHash } from "node:crypto";
import { VarveError, formatPlatform } from "../../core/index.ts";
import { DirectoryTree, type TreeFile, isRegularFile } from "../../filesync/index.ts";
import { type Path, byteStringOf, pathOfByteString, showPath } from "../../linux/index.ts";
import { basePath } from "../../pattern/index.ts";
import type { Attributes } from "../attributes.ts";
import type { AttestationSubject, ExportDeps, ExportPlatform } from "../types.ts";
import { indentJson } from "./json-text.ts";
import { openAttestations } from "./open.ts";
import { statementOf } from "./statement.ts";

const MODE = 0o600;

export interface AttestationFileOptions {
  readonly attrs: Attributes;
  /** The platforms share a directory, so that the names of the files contain the platform. */
  readonly isShared: boolean;
  /** The time of all files, in nanoseconds since 1970. Default: now. */
  readonly modTime: bigint | undefined;
}

/**
 * Returns the files with the attestations of a platform, for the root of its tree. Their subjects are all regular files.
 *
 * @throws {VarveError} `invalid-argument` if two of them have the same name, or a file of the tree has.
 */
export async function attestationFiles(
  tree: Path,
  { platform, attestations = [] }: ExportPlatform,
  { attrs, isShared, modTime }: AttestationFileOptions,
  deps: ExportDeps,
): Promise<TreeFile[]> {
  const kept = attestations.filter(({ inlineOnly }) => !inlineOnly);
  if (kept.length === 0) return [];
  const exported = await openAttestations(kept, deps);
  const { subjects, names } = await listTree(tree);
  const time = modTime ?? BigInt(Math.floor(Date.now() / 1000)) * 1_000_000_000n;
  const files: TreeFile[] = [];
  for (const attestation of exported) {
    const suffix = isShared ? `.${formatPlatform(platform).replaceAll("/", "_")}` : "";
    const text = `${attrs["attestation-prefix"] ?? ""}${withSuffix(basePath(attestation.fileName), suffix)}`;
    const name = byteStringOf(text);
    if (files.some((file) => file.name === name)) throw nameError(`duplicate attestation path name ${text}`);
    if (names.has(name)) throw nameError(`the result has a file ${text}, which is the name of an attestation`);
    const statement = indentJson(statementOf(attestation, subjects));
    files.push({ name, content: Buffer.from(statement), mode: MODE, modTime: time });
  }
  return files;
}

function nameError(state: string): VarveError {
  return new VarveError("invalid-argument", `Cannot export: ${state}`, {
    hint: "Set the output attribute attestation-prefix.",
  });
}

/** Puts a suffix before the extension of a name. */
function withSuffix(name: string, suffix: string): string {
  const dot = name.lastIndexOf(".");
  return dot < 0 ? name + suffix : name.slice(0, dot) + suffix + name.slice(dot);
}

async function listTree(path: Path): Promise<{ subjects: AttestationSubject[]; names: ReadonlySet<string> }> {
  using tree = new DirectoryTree(path);
  const subjects: AttestationSubject[] = [];
  const names = new Set<string>();
  for (const stat of tree.entries()) {
    names.add(stat.path);
    if (!isRegularFile(stat)) continue;
    const hash = createHash("sha256");
    for await (const chunk of tree.open(stat.path) ?? []) hash.update(chunk);
    subjects.push({ name: showPath(pathOfByteString(stat.path)), digest: { sha256: hash.digest("hex") } });
  }
  return { subjects, names };
}
