import { closeSync, constants, fstatSync, readSync } from "node:fs";
import { VarveError, parseJson, toVarveError } from "../../core/index.ts";
import { type Path, Root, joinPath, pathOfByteString } from "../../linux/index.ts";
import { basePath, joinPath as joinText } from "../../pattern/index.ts";
import { listNames } from "../../snapshot/index.ts";
import type { Attestation, ExportDeps, StatementSubject } from "../types.ts";
import { compactJson, memberOf } from "./json-text.ts";

/** An attestation with its predicate. */
export interface OpenedAttestation {
  readonly predicateType: string;
  /** Compact JSON. */
  readonly predicate: string;
  readonly fileName: string;
  readonly inlineOnly: boolean;
  readonly subjects: Attestation["subjects"];
  /** It describes the result itself. */
  readonly isCore: boolean;
}

/** What one file contains. */
type Contents = Omit<OpenedAttestation, "isCore">;

/** Largest file with a predicate or a statement: BuildKit's 40 MiB. */
const MAX_SIZE = 41_943_040;
const MAX_BUNDLE = 1000;
const PROVENANCE = "https://slsa.dev/provenance/";

/**
 * Reads the predicates of attestations, and the statements of bundles. Those that describe the image itself come first.
 *
 * @throws {VarveError} `invalid-build` for a file that is not a predicate or a statement, or that a front end may not provide
 */
export async function openAttestations(
  attestations: readonly Attestation[],
  deps: Pick<ExportDeps, "records" | "hold">,
): Promise<OpenedAttestation[]> {
  const opened: OpenedAttestation[] = [];
  for (const attestation of attestations) {
    const { coreName } = attestation;
    for (const each of await tryOpen(attestation, deps))
      opened.push({ ...each, isCore: basePath(each.fileName).split(".")[0] === coreName });
  }
  return [...opened.filter(({ isCore }) => isCore), ...opened.filter(({ isCore }) => !isCore)];
}

async function tryOpen(attestation: Attestation, deps: Pick<ExportDeps, "records" | "hold">): Promise<Contents[]> {
  try {
    return await open(attestation, deps);
  } catch (error) {
    throw toVarveError(error, "export an attestation", "invalid-build");
  }
}

async function open(
  attestation: Attestation,
  { records, hold }: Pick<ExportDeps, "records" | "hold">,
): Promise<Contents[]> {
  const { content, predicateType, fileName, inlineOnly, subjects } = attestation;
  if (content.kind === "predicate") {
    const predicate = predicateOf(Buffer.from(await content.make()), fileName);
    return [{ predicateType, predicate, fileName, inlineOnly, subjects }];
  }
  if (content.kind === "file" && predicateType.startsWith(PROVENANCE))
    throw invalid("frontend may not set provenance attestations");
  await using view = await records.mount(content.record, hold);
  using root = Root.open(view.path);
  if (content.kind === "bundle") return readBundle(root, content.path, attestation);
  const predicate = predicateOf(readFile(root, content.path), content.path);
  return [{ predicateType, predicate, fileName, inlineOnly, subjects }];
}

function readBundle(root: Root, path: string, { predicateType, inlineOnly }: Attestation): Contents[] {
  using directory = root.open(path);
  const names = listNames(directory.path);
  if (names.length > MAX_BUNDLE) throw invalid(`bundle ${path} has more than ${MAX_BUNDLE} files`);
  return names.map((name) => {
    const file = joinPath(path, pathOfByteString(name));
    const statement = readStatement(readFile(root, file), file.toString());
    const type = statement.predicateType;
    if (predicateType !== "" && type !== predicateType)
      throw invalid(`bundle entry ${type} does not match required predicate type ${predicateType}`);
    if (type.startsWith(PROVENANCE)) throw invalid("frontend may not bundle provenance attestations");
    return { ...statement, fileName: joinText(path, pathOfByteString(name).toString()), inlineOnly };
  });
}

function readStatement(bytes: Buffer, file: string): Pick<Contents, "predicateType" | "predicate" | "subjects"> {
  const error = (state: string, cause?: unknown): Error =>
    invalid(`cannot decode in-toto statement ${file}: ${state}`, cause);
  const json = parseJson(bytes, "an in-toto statement", { error }).requiredObject();
  const subjects = json.objects("subject").map((subject): StatementSubject => ({
    kind: "raw",
    name: subject.string("name") ?? "",
    digest: Object.fromEntries(subject.stringMap("digest") ?? []),
  }));
  return {
    predicateType: json.string("predicateType") ?? "",
    predicate: memberOf(bytes.toString(), "predicate") ?? "null",
    subjects,
  };
}

/** An empty file is no predicate, as in BuildKit. */
function predicateOf(bytes: Buffer, file: string): string {
  if (bytes.length === 0) return "null";
  const error = (state: string, cause?: unknown): Error =>
    invalid(`cannot read in-toto attestation ${file}: ${state}`, cause);
  parseJson(bytes, "a predicate", { error });
  return compactJson(bytes.toString());
}

function readFile(root: Root, path: Path): Buffer {
  const fd = root.openFile(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw invalid(`cannot read in-toto attestation: ${path.toString()} is not a regular file`);
    if (stat.size > MAX_SIZE) throw invalid(`${path.toString()} exceeds ${MAX_SIZE} bytes`);
    const bytes = Buffer.alloc(stat.size);
    let size = 0;
    for (let count = -1; count !== 0 && size < bytes.length; size += count)
      count = readSync(fd, bytes, size, bytes.length - size, null);
    return bytes.subarray(0, size);
  } finally {
    closeSync(fd);
  }
}

function invalid(state: string, cause?: unknown): VarveError {
  return new VarveError("invalid-build", `Cannot export: ${state}`, { cause });
}
