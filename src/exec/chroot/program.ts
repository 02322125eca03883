import module from "node:module";
import { dirname, extname } from "node:path";
import { fileURLToPath } from "node:url";

/** The environment of these programs. It has nothing of that of this process, which may hold credentials. */
export function programEnvironment(): NodeJS.ProcessEnv {
  const cache = module.getCompileCacheDir();
  return cache === undefined ? {} : { NODE_COMPILE_CACHE: dirname(cache) };
}

/** Returns what starts `runStepProgram`. The single executable replaces this function. */
export function stepProgram(): readonly string[] {
  return [process.execPath, fileURLToPath(new URL(`./step${extname(import.meta.url)}`, import.meta.url))];
}
