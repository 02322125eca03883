import type { Platform } from "../../core/index.ts";
import type { Instruction, SourceRange, Stage } from "../../dockerfile/index.ts";
import type { NamedContextRef } from "./named-context.ts";
import type { ResolvedBase } from "./resolved-base.ts";

/** An instruction with the stages it reads from. */
export interface PlannedInstruction {
  readonly instruction: Instruction;
  /** For COPY: the stage of `--from`, if given. For RUN: one for each mount. */
  readonly sources: readonly StageNode[];
  /** True if it is an ONBUILD trigger of the base image. */
  readonly isOnbuild: boolean;
}

/** A stage of the Dockerfile, or an image that only `--from` names, with its dependencies. The planner fills it in stages. */
export class StageNode {
  /** Absent for an image that only `--from` names. */
  readonly stage: Stage | undefined;
  /** Its location in the Dockerfile. */
  readonly range: SourceRange;
  /** The base after variable expansion: a stage, an image, or `scratch`. */
  readonly baseName: string;
  /** Name in progress. Empty if there is only one stage. */
  title = "";
  /** The stage on which it is built, if any. */
  base: StageNode | undefined;
  /** The value of `--platform`. */
  platform: Platform | undefined;
  /** A named context that replaces the stage. */
  replacement: NamedContextRef | undefined;
  readonly dependencies: Map<StageNode, SourceRange> = new Map();
  instructions: PlannedInstruction[] = [];
  /** Number of steps in progress. With 0, no numbers are shown. */
  steps = 0;
  /** Number of steps without the base's triggers. Known before the base is looked up. */
  ownSteps = 0;
  ignoreCache = false;
  /** Arguments that its FROM uses. */
  readonly usedArgs: Set<string> = new Set();
  /** Set when the base has been looked up, for a stage that is not built on another. */
  resolved: ResolvedBase | undefined;
  /** True if the ONBUILD instructions of the base have been added. */
  triggersAdded = false;

  constructor(baseName: string, range: SourceRange, stage?: Stage) {
    this.baseName = baseName;
    this.range = range;
    this.stage = stage;
  }

  get name(): string {
    return this.stage?.name ?? "";
  }

  /** The lowest stage: the one that is not built on another. */
  get root(): StageNode {
    let node = this.base;
    while (node?.base !== undefined) node = node.base;
    return node ?? this;
  }
}

/** All nodes, in the order in which they were added: the stages, then images that only `--from` names. */
export class StageTable {
  readonly nodes: StageNode[] = [];
  readonly #byName = new Map<string, StageNode>();
  readonly #known = new Set<StageNode>();

  /** Adds a node. Its base is resolved to an earlier stage of that name, if there is one. */
  add(node: StageNode): void {
    this.nodes.push(node);
    this.#known.add(node);
    node.base = this.byName(node.baseName);
    if (node.name !== "") this.#byName.set(node.name, node);
  }

  has(node: StageNode): boolean {
    return this.#known.has(node);
  }

  /** Ignores case. Of several stages with one name, returns the last. */
  byName(name: string): StageNode | undefined {
    return this.#byName.get(name.toLowerCase());
  }

  get names(): string[] {
    return this.nodes.map((node) => node.title).filter((title) => title !== "");
  }
}

/** Returns the nodes that `target` needs, including itself. */
export function reachable(target: StageNode): Set<StageNode> {
  const found = new Set<StageNode>();
  const waiting = [target];
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    if (found.has(node)) continue;
    found.add(node);
    if (node.base !== undefined) waiting.push(node.base);
    waiting.push(...node.dependencies.keys());
  }
  return found;
}

/** Returns the locations of a dependency cycle, or undefined if there is none. */
export function findCycle(nodes: readonly StageNode[]): { node: StageNode; ranges: SourceRange[] } | undefined {
  const done = new Set<StageNode>();
  for (const start of nodes) {
    const path: { node: StageNode; edges: Iterator<[StageNode, SourceRange]>; via: SourceRange | undefined }[] = [];
    const onPath = new Set<StageNode>();
    const enter = (node: StageNode, via: SourceRange | undefined): void => {
      done.add(node);
      onPath.add(node);
      path.push({ node, edges: node.dependencies.entries(), via });
    };
    if (!done.has(start)) enter(start, undefined);
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const next = top.edges.next();
      if (next.done === true) onPath.delete(path.pop()?.node ?? start);
      else if (onPath.has(next.value[0]))
        return { node: start, ranges: [...path.flatMap(({ via }) => via ?? []), next.value[1]] };
      else if (!done.has(next.value[0])) enter(...next.value);
    }
  }
  return undefined;
}
