import type { ByteString } from "../../linux/index.ts";

interface Node {
  readonly children: Map<ByteString, Node>;
  isMember: boolean;
}

/** A set of paths. All members under a path can be removed without visiting the other members. */
export class PathTree {
  readonly #top: Node = { children: new Map(), isMember: false };

  add(path: ByteString): void {
    let at = this.#top;
    for (const part of parts(path)) {
      const next = at.children.get(part) ?? { children: new Map<ByteString, Node>(), isMember: false };
      at.children.set(part, next);
      at = next;
    }
    at.isMember = true;
  }

  has(path: ByteString): boolean {
    return this.#find(path)?.isMember === true;
  }

  /** Removes a path and all paths above it. */
  deleteUpTo(path: ByteString): void {
    let at: Node | undefined = this.#top;
    at.isMember = false;
    for (let from = 0; at !== undefined && at.children.size > 0 && from < path.length;) {
      const slash = path.indexOf("/", from);
      const end = slash < 0 ? path.length : slash;
      at = at.children.get(path.slice(from, end));
      if (at !== undefined) at.isMember = false;
      from = end + 1;
    }
  }

  /** Removes a path and all members under it, and returns those that were members. "" means all members. */
  take(path: ByteString): ByteString[] {
    const found = this.#find(path);
    if (found === undefined) return [];
    const taken: ByteString[] = [];
    const left: [ByteString, Node][] = [[path, found]];
    for (let next = left.pop(); next !== undefined; next = left.pop()) {
      const [at, node] = next;
      if (node.isMember) taken.push(at);
      for (const [name, child] of node.children) left.push([at === "" ? name : `${at}/${name}`, child]);
    }
    found.isMember = false;
    found.children.clear();
    return taken;
  }

  #find(path: ByteString): Node | undefined {
    let at: Node | undefined = this.#top;
    for (const part of parts(path)) at = at?.children.get(part);
    return at;
  }
}

function parts(path: ByteString): ByteString[] {
  return path === "" ? [] : path.split("/");
}
