import { formatWholePlatform } from "../../core/index.ts";
import type { CompileHost, ResolvedImage, ResolveRequest } from "../options.ts";

/** Looks up images, each of them once per build. */
export class ImageLookup {
  readonly #host: CompileHost;
  readonly #signal: AbortSignal | undefined;
  readonly #running = new Map<string, Promise<ResolvedImage>>();

  constructor(host: CompileHost, signal: AbortSignal | undefined) {
    this.#host = host;
    this.#signal = signal;
  }

  resolve(request: ResolveRequest): Promise<ResolvedImage> {
    const { reference, platform, mode, ociStore } = request;
    const key = JSON.stringify([reference, formatWholePlatform(platform), mode, ociStore]);
    const running = this.#running.get(key) ?? this.#host.resolveImage({ ...request, signal: this.#signal });
    this.#running.set(key, running);
    return running;
  }
}
