import { readdirSync } from "node:fs";
import { join } from "node:path";
import { type BuildClient, type BuildEvent, type Store, openStore } from "../src/engine/index.ts";
import { Progress } from "../src/engine/progress/progress.ts";
import { Session } from "../src/engine/session.ts";
import { VarveError } from "../src/core/index.ts";
import { temporaryDirectory } from "../src/io/index.ts";
import type { State } from "../src/llb/index.ts";
import { openLocalContext } from "../src/source/index.ts";

export interface GraphFixtureOptions {
  /** Local sources by name: directories of this machine. */
  readonly locals?: Readonly<Record<string, string>>;
  readonly secrets?: Readonly<Record<string, string>>;
  readonly client?: Partial<BuildClient>;
  readonly allow?: readonly string[];
}

/** A build of graphs in a store of its own, by a client that answers with what a test gives. */
export interface GraphFixture extends AsyncDisposable {
  readonly folder: string;
  readonly store: Store;
  readonly events: readonly BuildEvent[];
  /** Solves a graph and calls `look` with the path of its mounted result. */
  look<T>(state: State, look: (path: string) => T): Promise<T>;
  /** Solves a graph and returns the paths below its root; directories end in a slash. */
  paths(state: State): Promise<string[]>;
}

export async function graphFixture(options: GraphFixtureOptions = {}): Promise<GraphFixture> {
  await using stack = new AsyncDisposableStack();
  const { path: folder } = stack.use(await temporaryDirectory("varve-graph-"));
  const store = stack.use(await openStore({ root: join(folder, "root") }));
  const events: BuildEvent[] = [];
  const progress = new Progress((event) => void events.push(event));
  const client = { ...clientOf(options), ...options.client };
  const session = stack.use(
    await Session.open({ store, client, progress, allowed: new Set(options.allow), signal: undefined }),
  );
  const owned = stack.move();
  const look = async <T>(state: State, use: (path: string) => T): Promise<T> => {
    const id = await session.recordOf(await session.evaluate(state.edge));
    await using tree = await store.records.mount(id, session.hold);
    return use(tree.path);
  };
  return {
    folder,
    store,
    events,
    look,
    paths: (state) => look(state, pathsBelow),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function pathsBelow(root: string): string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1) + (entry.isDirectory() ? "/" : ""))
    .sort();
}

function clientOf({ locals = {}, secrets = {} }: GraphFixtureOptions): BuildClient {
  return {
    openLocal: async ({ name, ...patterns }) => {
      const directory = locals[name];
      if (directory === undefined)
        throw new VarveError("not-found", `no access allowed to dir ${JSON.stringify(name)}`);
      return await openLocalContext(directory, { name, ...patterns });
    },
    secret: (id, optional) => {
      const value = secrets[id];
      if (value !== undefined) return Promise.resolve(Buffer.from(value));
      if (optional) return Promise.resolve(undefined);
      return Promise.reject(new VarveError("invalid-build", `secret ${id}: not found`));
    },
    agent: (id, optional) =>
      optional
        ? Promise.resolve(undefined)
        : Promise.reject(new VarveError("invalid-build", `no SSH key ${JSON.stringify(id)} forwarded from the client`)),
  };
}
