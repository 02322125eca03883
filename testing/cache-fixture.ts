import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type BuildEvent, type BuildOptions, type BuildResult, build, openStore } from "../src/engine/index.ts";
import { ANONYMOUS, type RegistryOptions } from "../src/registry/index.ts";
import { type Leftovers, findLeftovers } from "./leftovers.ts";

export interface CachedBuild {
  readonly result: BuildResult;
  readonly events: readonly BuildEvent[];
  readonly warnings: readonly string[];
  /** Steps by what became of them, without their counters. */
  readonly ran: readonly string[];
  readonly hits: readonly string[];
  readonly left: Leftovers;
}

export interface RootOptions {
  /** Where the root is; a new one that goes with the build unless said. */
  readonly root?: string;
  readonly registry?: RegistryOptions;
}

/** Steps on nothing, one of which is of another stage; only the last depends on `LAST`. */
const DOCKERFILE = `FROM scratch AS base
COPY bin /bin
COPY one /one
RUN ["/bin/busybox", "cp", "/one", "/three"]
FROM base AS side
COPY two /two
FROM base
COPY --from=side /two /copied
COPY one /four
ARG LAST
RUN ["/bin/busybox", "env"]
`;
export const SMALL_STEPS = 7;
/** All that is made now is dated then, so that a step that runs again makes the same bytes. */
export const EPOCH_SECONDS = 1_700_000_000;

/** Quick to give up; no request is tried twice unless said. */
export function hasty(host: string, more: Partial<RegistryOptions> = {}): RegistryOptions {
  return {
    credentials: () => Promise.resolve(ANONYMOUS),
    env: {},
    timeouts: { idle: 250 },
    retry: { attempts: 1, first: 1, longest: 2, patience: 5 },
    config: { registries: { [host]: { http: true } } },
    ...more,
  };
}

/** A folder with a context of a few quick steps, and builds of it in roots of their own. */
export class CacheFixture implements AsyncDisposable {
  readonly folder: string;
  readonly context: string;
  #roots = 0;

  private constructor(folder: string) {
    this.folder = folder;
    this.context = join(folder, "context");
  }

  static async open(dockerfile: string = DOCKERFILE): Promise<CacheFixture> {
    const fixture = new CacheFixture(await mkdtemp(join(tmpdir(), "varve-cache-")));
    const files = { Dockerfile: dockerfile, one: "one\n", two: "two\n", "bin/busybox": await readFile("/bin/busybox") };
    for (const [name, content] of Object.entries(files)) {
      await mkdir(dirname(join(fixture.context, name)), { recursive: true });
      await writeFile(join(fixture.context, name), content, { mode: 0o755 });
    }
    return fixture;
  }

  newRoot(): string {
    return join(this.folder, `root-${(this.#roots += 1)}`);
  }

  /** Builds the context into an image whose digest depends on nothing but what it is made of. */
  async build(options: Partial<BuildOptions>, { root, registry = {} }: RootOptions = {}): Promise<CachedBuild> {
    const at = root ?? this.newRoot();
    const events: BuildEvent[] = [];
    await using stack = new AsyncDisposableStack();
    if (root === undefined) stack.defer(() => rm(at, { recursive: true, force: true }));
    const result = await this.#run(at, registry, {
      onEvent: (event) => void events.push(event),
      ...options,
    });
    const steps = (status: string): string[] =>
      result.steps.filter((step) => step.status === status).map(({ name }) => name.replace(/^\[.*?\] /, ""));
    const left = findLeftovers({ marks: [at], stateDir: join(at, "run"), pid: process.pid });
    const warnings = events.flatMap((event) => (event.kind === "warning" ? [event.short] : []));
    return { result, events, warnings, ran: steps("run"), hits: steps("hit"), left };
  }

  async #run(root: string, registry: RegistryOptions, options: Partial<BuildOptions>): Promise<BuildResult> {
    await using store = await openStore({ root, registry });
    return await build({
      store,
      context: { kind: "directory", path: this.context },
      network: "none",
      sourceDateEpoch: EPOCH_SECONDS,
      outputs: [{ type: "image", attrs: { "rewrite-timestamp": "true" } }],
      ...options,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}
