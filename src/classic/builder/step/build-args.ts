import type { ArgDefinition } from "../../../dockerfile/index.ts";

const PROXIES = ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"];
const BUILT_IN: ReadonlySet<string> = new Set([...PROXIES, ...PROXIES.map((name) => name.toLowerCase())]);

type Declared = ReadonlyMap<string, string | undefined>;

/** The build arguments as they stand at one step of a stage. */
export class BuildArgs {
  readonly #given: ReadonlyMap<string, string | null>;
  readonly #meta: Declared;
  /** Declared in this stage. */
  readonly #allowed: Declared;

  constructor(given: ReadonlyMap<string, string | null>, meta: Declared = new Map(), allowed: Declared = new Map()) {
    this.#given = given;
    this.#meta = meta;
    this.#allowed = allowed;
  }

  /** With arguments that the stage declares. */
  declare(args: readonly Pick<ArgDefinition, "key" | "value">[]): BuildArgs {
    return new BuildArgs(this.#given, this.#meta, added(this.#allowed, args));
  }

  /** With arguments that come before the first stage. */
  declareMeta(args: readonly Pick<ArgDefinition, "key" | "value">[]): BuildArgs {
    return new BuildArgs(this.#given, added(this.#meta, args));
  }

  /** Names that the stage, or the lines before the first one, declare. */
  get declared(): readonly string[] {
    return [...this.#meta.keys(), ...this.#allowed.keys()];
  }

  /** What FROM sees. */
  get meta(): ReadonlyMap<string, string> {
    return this.#values(this.#meta);
  }

  /** What steps see, but for those of a name that `env` (`NAME=value`) has too: `NAME=value`, in order of name. */
  notIn(env: readonly string[]): string[] {
    const taken = new Set(env.map((each) => each.split("=", 1)[0] ?? ""));
    const values = [...this.#values(this.#allowed)].filter(([key]) => !taken.has(key));
    return values.map(([key, value]) => `${key}=${value}`).toSorted();
  }

  /** Whether a value goes into the key of steps: that of a proxy only if the stage declares it. */
  isKeyed(entry: string): boolean {
    const key = entry.split("=", 1)[0] ?? "";
    return this.#allowed.has(key) || !BUILT_IN.has(key);
  }

  /** What was given and is in none of `names`, sorted. */
  unused(names: ReadonlySet<string>): string[] {
    return [...this.#given.keys()].filter((key) => !names.has(key) && !BUILT_IN.has(key)).toSorted();
  }

  #values(declared: Declared): ReadonlyMap<string, string> {
    const values = new Map<string, string>();
    for (const key of new Set([...declared.keys(), ...BUILT_IN])) {
      const value = this.#given.get(key) ?? declared.get(key) ?? this.#meta.get(key);
      if (value !== undefined) values.set(key, value);
    }
    return values;
  }
}

function added(declared: Declared, args: readonly Pick<ArgDefinition, "key" | "value">[]): Declared {
  return new Map([...declared, ...args.map(({ key, value }) => [key, value] as const)]);
}
