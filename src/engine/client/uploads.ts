import type { Digest } from "../../core/index.ts";
import type { ContentStore } from "../../content/index.ts";
import { limited } from "../../io/index.ts";
import type { Hold } from "../../record/index.ts";
import type { BuildClient } from "./client.ts";

/** Maximum bytes of an upload: those of a download. */
const MAX_UPLOAD = 64 * 1024 ** 3;

interface UploadsDeps {
  readonly client: Pick<BuildClient, "upload">;
  readonly content: ContentStore;
  readonly hold: Hold;
}

/** What the client of a build uploads, such as a context from its standard input. It sends each once, so it is kept until the build ends. */
export class Uploads {
  readonly #deps: UploadsDeps;
  readonly #kept = new Map<string, Promise<Digest>>();

  constructor(deps: UploadsDeps) {
    this.#deps = deps;
  }

  /** Returns what the client uploads under a URL, as often as it is asked for; undefined if nothing is uploaded there. */
  open(url: string): AsyncIterable<Uint8Array> | undefined {
    const offered = URL.canParse(url) ? this.#deps.client.upload?.(new URL(url)) : undefined;
    return offered && this.#read(url, offered);
  }

  async *#read(url: string, offered: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    const { content, hold } = this.#deps;
    const kept = this.#kept.get(url) ?? this.#keep(url, offered);
    this.#kept.set(url, kept);
    yield* content.open(await kept, { signal: hold.signal });
  }

  async #keep(url: string, offered: AsyncIterable<Uint8Array>): Promise<Digest> {
    const { content, hold } = this.#deps;
    const { lease, signal } = hold;
    return (await content.put(limited(offered, MAX_UPLOAD, { what: url }), { lease, signal })).digest;
  }
}
