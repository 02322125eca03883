import type { ArgDefinition } from "../../../dockerfile/index.ts";

const PROXIES = ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"];
const BUILT_IN: ReadonlySet<string> = new Set([...PROXIES, ...PROXIES.map((name) => name.toLowerCase())]);

type Declared = ReadonlyMap<string, string | undefined>;

/** The build arguments at one step of a stage. Immutable. */
export class BuildArgs {
  readonly #given: ReadonlyMap<string, string | null>;
  readonly #meta: Declared;
  /** The arguments that this stage declares. */
  readonly #allowed: Declared;

  constructor(given: ReadonlyMap<string, string | null>, meta: Declared = new Map(), allowed: Declared = new Map()) {
    this.#given = given;
    this.#meta = meta;
    this.#allowed = allowed;
  }

  /** Returns the arguments with further ones that the stage declares. */
  declare(args: readonly Pick<ArgDefinition, "key" | "value">[]): BuildArgs {
    return new BuildArgs(this.#given, this.#meta, added(this.#allowed, args));
  }

  /** Returns the arguments with further ones that are declared before the first stage. */
  declareMeta(args: readonly Pick<ArgDefinition, "key" | "value">[]): BuildArgs {
    return new BuildArgs(this.#given, added(this.#meta, args));
  }

  /** Names that are declared in the stage or before the first stage. */
  get declared(): readonly string[] {
    return [...this.#meta.keys(), ...this.#allowed.keys()];
  }

  /** The arguments that FROM can use. */
  get meta(): ReadonlyMap<string, string> {
    return this.#values(this.#meta);
  }

  /** Returns the arguments that steps see, except those that `env` also sets. Entries are `NAME=value`, sorted by name. */
  notIn(env: readonly string[]): string[] {
    const taken = new Set(env.map((each) => each.split("=", 1)[0] ?? ""));
    const values = [...this.#values(this.#allowed)].filter(([key]) => !taken.has(key));
    return values.map(([key, value]) => `${key}=${value}`).toSorted();
  }

  /** True if an entry is part of a step's key. A proxy setting is so only if the stage declares it. */
  isKeyed(entry: string): boolean {
    const key = entry.split("=", 1)[0] ?? "";
    return this.#allowed.has(key) || !BUILT_IN.has(key);
  }

  /** Returns the names of given arguments that are not in `names`, sorted. */
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
