import { type Descriptor, goJson } from "../../core/index.ts";
import { manifestJson } from "../../image/index.ts";
import type { RemoteLayer } from "../../record/index.ts";
import type { ConfigLayer } from "./config.ts";
import { layerDescriptor } from "./layer.ts";
import { compareTexts } from "./record-order.ts";

/** A layer on top of other layers. */
interface Tree {
  readonly blob: string;
  readonly parent: Tree | undefined;
  readonly depth: number;
  readonly children: Map<string, Tree>;
}

/** The layers of many results as trees, so that results with common lower layers share them. */
export class LayerForest {
  readonly #root: Tree = { blob: "", parent: undefined, depth: 0, children: new Map() };
  readonly #trees: Tree[] = [];
  readonly #seen = new Set<RemoteLayer>();
  /** Descriptors by blob. If a blob has several, the one with the smallest `text` is kept. */
  readonly #descriptors = new Map<string, { readonly text: string; readonly descriptor: Descriptor }>();

  /** Adds the layers of a result, lowest first. Returns the handle of its topmost layer, for `finish().indices`. */
  add(layers: readonly RemoteLayer[]): unknown {
    let tree = this.#root;
    for (const layer of layers) {
      this.#describe(layer);
      tree = this.#child(tree, layer.digest);
    }
    return tree;
  }

  /**
   * Returns all layers, sorted by the digest of the blob, then by the layers below. `descriptors` has one entry for each layer,
   * even if a blob occurs twice. `indices` maps the handles that `add` returned to indices of `layers`.
   */
  finish(): { layers: ConfigLayer[]; descriptors: Descriptor[]; indices: ReadonlyMap<unknown, number> } {
    const trees = this.#trees.toSorted(compareTrees);
    const indices = new Map(trees.map((tree, index) => [tree, index]));
    return {
      layers: trees.map(({ blob, parent }) => ({ blob, parent: (parent && indices.get(parent)) ?? -1 })),
      descriptors: trees.flatMap(({ blob }) => this.#descriptors.get(blob)?.descriptor ?? []),
      indices,
    };
  }

  #child(parent: Tree, blob: string): Tree {
    const known = parent.children.get(blob);
    if (known !== undefined) return known;
    const tree = { blob, parent, depth: parent.depth + 1, children: new Map() };
    parent.children.set(blob, tree);
    this.#trees.push(tree);
    return tree;
  }

  #describe(layer: RemoteLayer): void {
    if (this.#seen.has(layer)) return;
    this.#seen.add(layer);
    const descriptor = layerDescriptor(layer);
    const text = goJson(manifestJson({ kind: "index", mediaType: "", manifests: [descriptor] }));
    const known = this.#descriptors.get(layer.digest);
    if (known === undefined || text < known.text) this.#descriptors.set(layer.digest, { text, descriptor });
  }
}

function compareTrees(a: Tree, b: Tree): number {
  let order = compareTexts(a.blob, b.blob) || a.depth - b.depth;
  for (let [one, other] = [a.parent, b.parent]; order === 0 && one && other; [one, other] = [one.parent, other.parent])
    order = compareTexts(one.blob, other.blob);
  return order;
}
