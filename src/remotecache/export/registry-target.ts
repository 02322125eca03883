import { type Descriptor, VarveError, formatReference } from "../../core/index.ts";
import { type RegistryTargetOptions, RegistryWriter } from "./registry-writer.ts";
import { contentsOf } from "./scopes.ts";
import { type CacheTarget, warnOnce } from "./target.ts";

/** Maximum number of attempts before the export fails. */
const MAX_TRIES = 100;

/**
 * Returns a tag of a registry as a target. It uploads only what the registry lacks, and nothing if the document would not change.
 * `write` throws `busy` if other processes write to the tag all the time.
 */
export function registryTarget(options: RegistryTargetOptions): CacheTarget {
  return {
    async write({ graph, tops }, scope, hold): Promise<Descriptor | undefined> {
      const writer = new RegistryWriter(contentsOf(graph, tops, scope), hold, {
        ...options,
        warn: warnOnce(options.warn),
      });
      for (let tries = 0; tries < MAX_TRIES; tries += 1) {
        const outcome = await writer.attempt();
        if (outcome.kind === "current") return outcome.descriptor;
        if (outcome.kind === "empty") return undefined;
        await writer.waitToRetry(outcome.kind);
      }
      const name = formatReference(options.reference);
      throw new VarveError("busy", `Cannot export cache to ${name}: other processes write to it all the time`);
    },
  };
}
