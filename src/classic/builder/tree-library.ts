import type { LocalImage } from "../../image/index.ts";
import type { Digest } from "../../core/index.ts";
import type { Instruction } from "../../dockerfile/index.ts";
import { SCRATCH } from "../../record/index.ts";
import { recordOf } from "../../images/index.ts";
import { baseImage } from "./base-image.ts";
import { type CopySource, findSources } from "./copy/copy-sources.ts";
import { download } from "./context/download.ts";
import { stepError, wrapped } from "./failure.ts";
import type { BuildSession } from "./session.ts";
import { HashedTree } from "./context/hashed-tree.ts";
import type { Stages } from "./stages.ts";

type Copying = Extract<Instruction, { kind: "copy" | "add" }>;

/** The trees that COPY and ADD read. Each is mounted once per build. */
export class TreeLibrary {
  readonly #session: BuildSession;
  readonly #stages: Stages;
  readonly #trees = new Map<Digest | "", Promise<HashedTree>>();

  constructor(session: BuildSession, stages: Stages) {
    this.#session = session;
    this.#stages = stages;
  }

  /** True if finding the sources needs a download or a pull. Looking ahead must not do that. */
  needsNetwork(command: Copying, sources: readonly string[]): boolean {
    if (command.kind === "add") return sources.some((source) => isUrl(source));
    return command.from !== "" && !/^\d+$/.test(command.from) && this.#stages.named(command.from) === undefined;
  }

  /** Returns the sources of an instruction, in order. */
  async sources(command: Copying, sources: readonly string[], destination: string): Promise<readonly CopySource[]> {
    const name = command.kind.toUpperCase();
    const image = command.kind === "copy" && command.from !== "" ? await this.#image(command.from) : undefined;
    try {
      const found: CopySource[] = [];
      for (const source of sources) found.push(...(await this.#find(command, source, { image, destination })));
      if (found.length === 0) throw stepError("no source files were specified");
      return found;
    } catch (error) {
      throw wrapped(error, `${name} failed`);
    }
  }

  async #find(
    command: Copying,
    source: string,
    { image, destination }: { readonly image: FromImage | undefined; readonly destination: string },
  ): Promise<readonly CopySource[]> {
    if (isUrl(source)) {
      if (command.kind === "copy") throw stepError("source can't be a URL for COPY");
      return [await this.#download(source, destination)];
    }
    const tree = image === undefined ? this.#session.context : await this.#open(image.image);
    if (tree === undefined) throw stepError("missing build context");
    const found = await findSources(tree, source, { isContext: image === undefined });
    return found.map((each) => ({ ...each, image: image?.image?.id }));
  }

  async #download(url: string, destination: string): Promise<CopySource> {
    const { deps, output, hold, stack } = this.#session;
    const folder = deps.contexts.path;
    const { tree, name } = stack.use(
      await download(url, destination, { folder, emit: output.send, signal: hold.signal }),
    );
    const path = Buffer.from(name).toString("latin1");
    return { tree, path, hash: await tree.hash(path), unpacks: false };
  }

  async #image(from: string): Promise<FromImage> {
    const stage = this.#stages.from(from);
    if (stage !== undefined) return stage;
    try {
      return { image: await baseImage(from, this.#session.request.platform, this.#session) };
    } catch (error) {
      throw wrapped(error, `invalid from flag value ${from}`);
    }
  }

  async #open(image: LocalImage | undefined): Promise<HashedTree> {
    const key = image?.id ?? "";
    const opening = this.#trees.get(key) ?? this.#mount(image);
    this.#trees.set(key, opening);
    return await opening;
  }

  async #mount(image: LocalImage | undefined): Promise<HashedTree> {
    const { deps, hold, stack } = this.#session;
    const { records } = deps.store;
    const id = image === undefined ? SCRATCH : recordOf(image, records, hold.lease);
    const mounted = stack.use(await records.mount(id, hold));
    return stack.use(new HashedTree(mounted.path));
  }
}

/** The image of `--from`; undefined in it for an empty stage. */
interface FromImage {
  readonly image: LocalImage | undefined;
}

function isUrl(source: string): boolean {
  return /^https?:\/\//.test(source);
}
