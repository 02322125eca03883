import { createReadStream } from "node:fs";
import { digestOf } from "../src/core/index.ts";
import { collect, decompress } from "../src/io/index.ts";
import { readTar } from "../src/layer/index.ts";

/** An entry of a layer, without its time. */
export interface LayerEntry {
  readonly path: string;
  readonly type: string;
  readonly mode: string;
  readonly owner: string;
  readonly link: string;
  /** Of a file. */
  readonly content?: string;
}

/** The entries of a layer's file, in order of their names. */
export async function layerEntries(file: string): Promise<LayerEntry[]> {
  const entries: LayerEntry[] = [];
  const what = { what: file };
  for await (const entry of readTar(decompress(createReadStream(file), { format: "detect", ...what }), what)) {
    const { path, type, mode, uid, gid, linkPath } = entry;
    const content = type === "file" ? { content: digestOf(await collect(entry.body, 64e6, what)) } : {};
    // What a deletion is owned by or allows means nothing.
    const isDeletion = /(?:^|\/)\.wh\.[^/]*$/.test(path);
    entries.push({
      path,
      type,
      mode: isDeletion ? "" : mode.toString(8),
      owner: `${uid}:${gid}`,
      link: linkPath,
      ...content,
    });
  }
  return entries.sort((a, b) => (a.path < b.path ? -1 : 1));
}
