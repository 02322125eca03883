import module from "node:module";
import { dirname } from "node:path";

/** The environment of the programs that run a step. It has nothing of that of this process, which may hold credentials. */
export function programEnvironment(): NodeJS.ProcessEnv {
  const cache = module.getCompileCacheDir();
  return cache === undefined ? {} : { NODE_COMPILE_CACHE: dirname(cache) };
}
