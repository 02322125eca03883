import { collect } from "../src/io/index.ts";
import { type TarInput, writeTar } from "../src/layer/index.ts";
import {
  type Answer,
  type DockerServer,
  type DockerServerOptions,
  messagesOf,
  startDockerServer,
} from "./docker-server.ts";
import { Varve, busyboxImage } from "./varve.ts";

export const CLASSIC_BASE = "classic.test/busybox:1";

/** What a build told. */
export interface ClassicOutcome extends Answer {
  /** Everything that was printed. */
  readonly printed: string;
  /** Of the last image that was told of. */
  readonly id: string | undefined;
  /** Steps that the cache knew. */
  readonly hits: number;
  readonly error: { readonly message: string; readonly code?: number } | undefined;
}

export type Files = readonly TarInput[] | Readonly<Record<string, string>>;

export interface ImageDetails {
  readonly Id: string;
  readonly Parent: string;
  readonly Config: Readonly<Record<string, unknown>> & {
    readonly Env: readonly string[];
    readonly Cmd: readonly string[];
  };
  readonly RootFS: { readonly Type: string; readonly Layers?: readonly string[] };
  readonly Architecture: string;
}

/** A server with a small base image, `CLASSIC_BASE`, and what a client of `POST /build` does. */
export class ClassicBuilder implements AsyncDisposable {
  readonly server: DockerServer;
  readonly #owned: AsyncDisposableStack;

  private constructor(server: DockerServer, owned: AsyncDisposableStack) {
    this.server = server;
    this.#owned = owned;
  }

  static async open(options: DockerServerOptions = {}): Promise<ClassicBuilder> {
    await using stack = new AsyncDisposableStack();
    const server = stack.use(await startDockerServer(options));
    {
      await using varve = await Varve.open();
      await busyboxImage(varve, CLASSIC_BASE);
      const archive = `${varve.folder}/base.tar`;
      await varve.run(["save", "-o", archive, CLASSIC_BASE]);
      const loaded = await server.docker(["load", "-i", archive]);
      if (loaded.code !== 0) throw new Error(loaded.stderr);
    }
    return new ClassicBuilder(server, stack.move());
  }

  /** A context's archive; entries of a record are files of mode 0644. */
  async archive(files: Files): Promise<Buffer> {
    const entries: readonly TarInput[] = Array.isArray(files)
      ? (files as readonly TarInput[])
      : Object.entries(files).map(([path, body]) => ({ path, body }));
    return await collect(writeTar(entries), 1e9, { what: "a context" });
  }

  /** `{base}` in the Dockerfile stands for the base image. Steps have no network. */
  async build(dockerfile: string, query = "", files: Files = {}): Promise<ClassicOutcome> {
    const text = { path: "Dockerfile", body: dockerfile.replaceAll("{base}", CLASSIC_BASE) };
    const others = Array.isArray(files)
      ? (files as readonly TarInput[])
      : Object.entries(files).map(([path, body]) => ({ path, body: body as string }));
    return await this.send(await this.archive([...others, text]), query);
  }

  async send(body: Uint8Array, query = ""): Promise<ClassicOutcome> {
    const answer = await this.server.ask("POST", `/v1.41/build?networkmode=none&${query}`, { body });
    const messages = answer.status === 200 ? messagesOf(answer) : [];
    const printed = messages.map(({ stream }) => (typeof stream === "string" ? stream : "")).join("");
    const aux = messages.flatMap(({ aux: told }) => (told === undefined ? [] : [told as { readonly ID: string }]));
    const error = messages.flatMap(({ errorDetail }) => (errorDetail === undefined ? [] : [errorDetail]))[0];
    return {
      ...answer,
      printed,
      id: aux.at(-1)?.ID,
      hits: printed.split("\n").filter((line) => line === " ---> Using cache").length,
      error: error as ClassicOutcome["error"],
    };
  }

  async inspect(name: string): Promise<ImageDetails> {
    return JSON.parse((await this.server.ask("GET", `/images/${name}/json`)).text) as ImageDetails;
  }

  /** Newest first. */
  async history(name: string): Promise<readonly { readonly Id: string; readonly CreatedBy: string }[]> {
    const { text } = await this.server.ask("GET", `/images/${name}/history`);
    return JSON.parse(text) as readonly { readonly Id: string; readonly CreatedBy: string }[];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAsync();
  }
}
