import { parseJson } from "../../core/index.ts";
import { readTar } from "../../layer/index.ts";
import { cleanPath } from "../../pattern/index.ts";
import { type LayerBlob, archiveOf } from "../../record/index.ts";
import type { ExportDeps } from "../types.ts";

/** The predicate type of SPDX documents. */
export const SPDX = "https://spdx.dev/Document";

const CREATOR = "Tool: varve";
const WHITEOUT = ".wh.";

type Json = Readonly<Record<string, unknown>>;

/**
 * Returns an SPDX document in which the files of an image have comments with the blobs of their layers: `layerID: sha256:…`. Files
 * that have comments keep them. Other documents are returned unchanged.
 */
export async function withLayerIds(
  predicate: string,
  layers: readonly LayerBlob[],
  deps: Pick<ExportDeps, "records" | "content" | "hold">,
): Promise<string> {
  const document: unknown = parseJson(predicate, "an SPDX document").raw;
  if (!isObject(document)) return predicate;
  const packages = listOf(document["packages"]);
  const files = [document, ...packages.filter(isObject)].flatMap(({ files: each }) => listOf(each).filter(isObject));
  const wanted = new Set(files.filter((file) => !hasComment(file)).flatMap((file) => nameOf(file) ?? []));
  const found = await findLayers(wanted, layers, deps);
  const withComments = (value: unknown): unknown =>
    Array.isArray(value) ? value.map((file: unknown) => (isObject(file) ? withComment(file, found) : file)) : value;
  const info = isObject(document["creationInfo"]) ? document["creationInfo"] : {};
  return JSON.stringify({
    ...document,
    creationInfo: { ...info, creators: [...listOf(info["creators"]), CREATOR] },
    ...("files" in document ? { files: withComments(document["files"]) } : {}),
    ...("packages" in document
      ? {
          packages: packages.map((each) =>
            isObject(each) && "files" in each ? { ...each, files: withComments(each["files"]) } : each,
          ),
        }
      : {}),
  });
}

function withComment(file: Json, found: ReadonlyMap<string, string>): Json {
  const layer = found.get(nameOf(file) ?? "");
  return layer === undefined || hasComment(file) ? file : { ...file, comment: `layerID: ${layer}` };
}

/** Returns the topmost layer that contains each of some paths. Deletions do not count. */
async function findLayers(
  paths: ReadonlySet<string>,
  layers: readonly LayerBlob[],
  { records, content, hold }: Pick<ExportDeps, "records" | "content" | "hold">,
): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  for (const layer of layers.toReversed()) {
    if (found.size === paths.size) break;
    const { digest } = layer.descriptor;
    await records.fetch(layer, hold);
    await records.withBlob(layer, hold, async () => {
      for await (const { path } of readTar(archiveOf(content, digest, hold.signal), { what: "a layer" })) {
        const name = rooted(Buffer.from(path, "latin1").toString());
        if (paths.has(name) && !found.has(name) && !name.slice(name.lastIndexOf("/") + 1).startsWith(WHITEOUT))
          found.set(name, digest);
      }
    });
  }
  return found;
}

function rooted(path: string): string {
  return cleanPath(`/${path}`);
}

function nameOf({ fileName }: Json): string | undefined {
  return typeof fileName === "string" ? rooted(fileName) : undefined;
}

function hasComment({ comment }: Json): boolean {
  return comment !== undefined && comment !== "";
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
