import { type Platform, normalizePlatform } from "../core/index.ts";
import type { CompileHost, ResolveRequest, SourceTimeRequest } from "../frontend/index.ts";
import type { SourceOp } from "../llb/index.ts";
import type { Hold } from "../record/index.ts";
import {
  type MetaDeps,
  type SourceMeta,
  type SourceMetaRequest,
  mayHaveTime,
  resolveSourceMeta,
  sourceTime,
} from "./ops/source-meta.ts";
import { findInLayout, pullPolicy } from "./ops/source-image.ts";
import type { Progress } from "./progress/progress.ts";
import { waitReporter } from "./progress/transfers.ts";

/** Looks up what sources are before their files are fetched. Progress shows each look-up as a step. */
export class SourceLookups {
  readonly #deps: MetaDeps;
  readonly #progress: Progress;
  readonly #hold: Hold;

  constructor(deps: MetaDeps, progress: Progress, hold: Hold) {
    this.#deps = deps;
    this.#progress = progress;
    this.#hold = hold;
  }

  /** Returns what is known of a source. `name` is shown in progress. */
  async meta(name: string, request: SourceMetaRequest): Promise<SourceMeta> {
    return await this.#shown({ name }, async (hold) => await resolveSourceMeta(request, this.#deps, hold));
  }

  /** See `CompileHost.resolveImage`. */
  async image(request: ResolveRequest): ReturnType<CompileHost["resolveImage"]> {
    const policy = pullPolicy(request.mode, this.#deps.pull);
    return await this.#shown(request, async (hold) => {
      const platform = normalizePlatform(request.platform);
      if (request.ociStore !== undefined) {
        const asked = { name: request.reference, platform, store: { store: request.ociStore } };
        const found = await findInLayout(asked, this.#deps, hold);
        return { digest: found.digest, config: found.configBytes };
      }
      const image = await this.#deps.images.resolve(request.reference, { platform, policy }, hold);
      return { digest: image.digest, config: image.configBytes };
    });
  }

  /** See `CompileHost.sourceTime`. */
  async time(request: SourceTimeRequest): Promise<number | undefined> {
    const { source } = request;
    if (!mayHaveTime(source)) return undefined;
    return await this.#shown(request, async (hold) => await sourceTime(source, this.#deps, hold));
  }

  /** Returns what a source is in this build. It has been looked up before, so that progress does not show it. */
  async pin(source: SourceOp, platform: Platform | undefined): Promise<string> {
    const { pinOf } = await import("./attest/pin.ts");
    return await pinOf(source, platform, this.#deps, this.#hold);
  }

  async #shown<T>(
    { name, signal = this.#hold.signal }: { readonly name: string; readonly signal?: AbortSignal | undefined },
    act: (hold: Hold) => Promise<T>,
  ): Promise<T> {
    return await this.#progress.activity(name, async (activity) => {
      return await act({ ...this.#hold, signal, onWait: waitReporter((line) => activity.report(line)) });
    });
  }
}
