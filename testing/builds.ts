import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import {
  type BuildEvent,
  type BuildOptions,
  type BuildResult,
  type Store,
  build,
  openStore,
} from "../src/engine/index.ts";
import { temporaryDirectory } from "../src/io/index.ts";

/** A store and folders of its own, in which the library builds. */
export interface BuildFixture extends AsyncDisposable {
  readonly folder: string;
  readonly store: Store;
  /** Writes files below a folder and returns its path. */
  files(name: string, files: Readonly<Record<string, string>>): Promise<string>;
  /** Builds a directory, or whatever context the options name. */
  build(
    directory: string,
    options?: Partial<BuildOptions>,
  ): Promise<BuildResult & { readonly events: readonly BuildEvent[] }>;
}

export async function buildFixture(): Promise<BuildFixture> {
  await using stack = new AsyncDisposableStack();
  const { path: folder } = stack.use(await temporaryDirectory("varve-build-"));
  const store = stack.use(await openStore({ root: join(folder, "root") }));
  const owned = stack.move();
  return {
    folder,
    store,
    files: async (name, files) => {
      for (const [path, text] of Object.entries(files)) {
        const full = join(folder, name, path);
        await mkdir(dirname(full), { recursive: true });
        await writeFile(full, text);
      }
      return join(folder, name);
    },
    build: async (path, options = {}) => {
      const events: BuildEvent[] = [];
      const onEvent = (event: BuildEvent): void => void events.push(event);
      const result = await build({ store, context: { kind: "directory", path }, onEvent, ...options });
      return { ...result, events };
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Returns what is said of each RUN step of a build, in the order of the Dockerfile: its status, and what tracing says. */
export function tracedOutcomes({
  steps,
  events,
}: Pick<BuildResult, "steps"> & { readonly events: readonly BuildEvent[] }): string[] {
  return steps
    .filter(({ name }) => name.includes("] RUN "))
    .map(({ digest, status }) => {
      const lines = events.flatMap((event) => {
        if (event.kind === "log" && event.vertex === digest) return Buffer.from(event.data).toString().trim();
        return event.kind === "warning" && event.vertex === digest ? Buffer.from(event.short).toString() : [];
      });
      return [status, ...lines.filter((line) => line.includes("traced"))].join(": ");
    });
}
