/** Returns the directories of `PATH` in an environment, whose last entry counts; undefined if it has none. An empty one is the working directory. */
export function searchPath(env: readonly string[]): string[] | undefined {
  return env
    .findLast((entry) => entry.startsWith("PATH="))
    ?.slice("PATH=".length)
    .split(":");
}

/** Returns an environment with `HOME`, which is added if it is absent. */
export function withHome(env: readonly string[], home: string): readonly string[] {
  return env.some((entry) => entry.startsWith("HOME=")) ? env : [...env, `HOME=${home}`];
}
