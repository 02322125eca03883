import type { ByteString } from "../../linux/index.ts";

interface Branch {
  readonly children: Map<ByteString, Branch>;
  isMember: boolean;
}

/** A set of paths from which all under one can be taken without a look at the others. */
export class PathTree {
  readonly #top: Branch = { children: new Map(), isMember: false };

  add(path: ByteString): void {
    let at = this.#top;
    for (const part of parts(path)) {
      const next = at.children.get(part) ?? { children: new Map<ByteString, Branch>(), isMember: false };
      at.children.set(part, next);
      at = next;
    }
    at.isMember = true;
  }

  has(path: ByteString): boolean {
    return this.#find(path)?.isMember === true;
  }

  delete(path: ByteString): void {
    const found = this.#find(path);
    if (found !== undefined) found.isMember = false;
  }

  /** Removes and returns the path itself and all members under it; "" stands for all. */
  take(path: ByteString): ByteString[] {
    const found = this.#find(path);
    if (found === undefined) return [];
    const taken: ByteString[] = [];
    const left: [ByteString, Branch][] = [[path, found]];
    for (let next = left.pop(); next !== undefined; next = left.pop()) {
      const [at, branch] = next;
      if (branch.isMember) taken.push(at);
      for (const [name, child] of branch.children) left.push([at === "" ? name : `${at}/${name}`, child]);
    }
    found.isMember = false;
    found.children.clear();
    return taken;
  }

  #find(path: ByteString): Branch | undefined {
    let at: Branch | undefined = this.#top;
    for (const part of parts(path)) at = at?.children.get(part);
    return at;
  }
}

function parts(path: ByteString): ByteString[] {
  return path === "" ? [] : path.split("/");
}
