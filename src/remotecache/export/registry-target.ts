import { type Descriptor, VarveError, formatReference } from "../../core/index.ts";
import { type RegistryTargetOptions, RegistryWriter } from "./registry-writer.ts";
import { contentsOf } from "./scopes.ts";
import { type CacheTarget, warnOnce } from "./target.ts";

/** Documents put, or not put because another came first, before it is given up. */
const MAX_TRIES = 100;

/**
 * A tag of a registry. What stands there already is not sent again: of an export like the last one nothing at all. Throws
 * `busy` if others write to the tag all the time.
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
        if (outcome.kind === "stands") return outcome.descriptor;
        if (outcome.kind === "empty") return undefined;
        await writer.settle(outcome.kind);
      }
      const name = formatReference(options.reference);
      throw new VarveError("busy", `Cannot export cache to ${name}: others write to it all the time`);
    },
  };
}
