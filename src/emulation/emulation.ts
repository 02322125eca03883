import { constants } from "node:fs";
import { access } from "node:fs/promises";
import {
  type Platform,
  VarveError,
  formatPlatform,
  hostPlatform,
  messageOf,
  normalizePlatform,
} from "../core/index.ts";
import { findProgram } from "../linux/index.ts";
import { amd64Level } from "./amd64-levels.ts";
import { ARCHITECTURES, type Architecture, architectureNamed } from "./architectures.ts";
import { emulatorCommand } from "./hint.ts";
import { type EmulatorNamespace, openEmulatorNamespace } from "./namespace.ts";
import { type ProbePlace, Prober, findPlace } from "./prober.ts";
import { type Registration, registrationFor } from "./registrations.ts";
import type { Support } from "./support.ts";

/** Milliseconds for which the answer to a question counts. What is installed later is found after that. */
const LIFETIME = 20_000;
/** The highest level of x86-64 that emulators have. */
const EMULATED_LEVEL = 2;
const LINUX = { os: "linux" } as const;

/** Returns the paths of those of some programs that are installed. */
export type FindEmulators = (names: readonly string[]) => readonly string[] | Promise<readonly string[]>;

async function installed(names: readonly string[]): Promise<string[]> {
  const found = await Promise.all(names.map((name) => findProgram(name)));
  return found.filter((path) => path !== undefined);
}

interface Answer {
  readonly at: number;
  /** Milliseconds. */
  lifetime: number;
  readonly support: Promise<Support>;
}

/** What this machine can run: found by running a small program of each architecture. */
export class Emulation implements Disposable {
  readonly #native = architectureNamed(hostPlatform().architecture);
  readonly #answers = new Map<Architecture, Answer>();
  readonly #find: FindEmulators;
  #place: Promise<ProbePlace | undefined> | undefined;
  #namespace: Promise<EmulatorNamespace> | undefined;

  /** @param emulators - Finds emulators by their names. Default: in `PATH` and the directories of the system. */
  constructor({ emulators = installed }: { readonly emulators?: FindEmulators | undefined } = {}) {
    this.#find = emulators;
  }

  /**
   * Returns how programs of a platform run. For platforms that Varve knows no emulators for, `direct`: nobody knows until they are tried.
   *
   * @throws {VarveError} `unsupported` for a level of amd64 that neither this processor nor an emulator has.
   */
  async supportOf(platform: Platform): Promise<Support> {
    const { os, architecture: name, variant } = normalizePlatform(platform);
    const architecture = architectureNamed(name);
    if (os !== LINUX.os || architecture === undefined || name === hostPlatform().architecture) {
      checkLevel(platform, name === hostPlatform().architecture ? amd64Level() : EMULATED_LEVEL);
      return { kind: "direct" };
    }
    const support = await this.#answer(architecture);
    if (name === "amd64" && variant !== undefined && support.kind !== "missing") checkLevel(platform, EMULATED_LEVEL);
    return support;
  }

  /**
   * Returns the platforms whose programs run on this machine as they are, its own first, as BuildKit lists them. Those that need a
   * wrapper are not listed, as by BuildKit.
   */
  async platforms(): Promise<Platform[]> {
    const own = hostPlatform();
    const supported = await Promise.all(
      ARCHITECTURES.map(async (architecture) => {
        if (architecture.name === own.architecture) return true;
        const { kind } = await this.#answer(architecture);
        return kind === "direct" || kind === "namespace";
      }),
    );
    const listed = ARCHITECTURES.filter((_, index) => supported[index]).flatMap(({ name }) => variantsOf(name, own));
    return [own, ...listed.filter((platform) => formatPlatform(platform) !== formatPlatform(own))];
  }

  async #answer(architecture: Architecture): Promise<Support> {
    const known = this.#answers.get(architecture);
    if (known !== undefined && Date.now() - known.at < known.lifetime) return await known.support;
    const answer: Answer = { at: Date.now(), lifetime: LIFETIME, support: this.#look(architecture) };
    this.#answers.set(architecture, answer);
    try {
      const support = await answer.support;
      // Nobody else can change what is registered there, and steps may be running by it.
      if (support.kind === "namespace") answer.lifetime = Infinity;
      return support;
    } catch (error) {
      this.#answers.delete(architecture);
      throw error;
    }
  }

  async #look(architecture: Architecture): Promise<Support> {
    await using prober = await Prober.open(await this.#findPlace());
    if ((await prober.try(architecture)) !== "fails") return { kind: "direct" };
    const [wrapper] = await this.#find([`buildkit-qemu-${architecture.qemu}`]);
    if (wrapper !== undefined) return { kind: "wrapper", path: wrapper };
    const registration = registrationFor(architecture);
    const emulators = await this.#emulators(architecture, registration);
    const outcome = emulators.length === 0 ? "" : await this.#register(architecture, emulators, prober);
    if (typeof outcome === "object") return outcome;
    const why = `there is no emulator for linux/${architecture.name}${outcome === "" ? "" : ` (${outcome})`}`;
    const missing = { why, fix: await emulatorCommand(architecture, emulators) };
    if (registration === undefined || registration.isOpened) return { kind: "missing", ...missing };
    return { kind: "inside", interpreter: registration.interpreter, ...missing };
  }

  /** Finds once where programs can be run. Where none can, that may change. */
  async #findPlace(): Promise<ProbePlace | undefined> {
    const place = await (this.#place ??= findPlace(this.#native));
    if (place === undefined) this.#place = undefined;
    return place;
  }

  /** Returns the programs that may be emulators: those of packages, and one that is registered so that it works in no other root. */
  async #emulators({ qemu }: Architecture, registration: Registration | undefined): Promise<string[]> {
    const found = await this.#find([`qemu-${qemu}-static`, `qemu-${qemu}`]);
    const registered = await executable(registration?.interpreter);
    return [...new Set(registered === undefined ? found : [...found, registered])];
  }

  /** Registers the first emulator that works, in the namespace. Returns why there is none, if there is none. */
  async #register(architecture: Architecture, emulators: readonly string[], prober: Prober): Promise<Support | string> {
    const nsenter = await findProgram("nsenter");
    if (nsenter === undefined) return "nsenter is not installed";
    let namespace: EmulatorNamespace;
    try {
      namespace = await (this.#namespace ??= openEmulatorNamespace());
    } catch (error) {
      this.#namespace = undefined;
      return messageOf(error);
    }
    const { path } = namespace;
    for (const emulator of emulators) {
      for (const keepsName of [true, false]) {
        try {
          namespace.register(architecture, emulator, keepsName);
        } catch (error) {
          return `${emulator} cannot be registered: ${messageOf(error)}`;
        }
        const probe = await prober.try(architecture, entering(nsenter, path));
        if (probe === "runs") return { kind: "namespace", path };
      }
    }
    namespace.remove(architecture);
    return `${emulators.join(" and ")} cannot run programs in other root filesystems: a static emulator is needed`;
  }

  [Symbol.dispose](): void {
    void this.#namespace?.then((namespace) => namespace[Symbol.dispose]()).catch(() => undefined);
    this.#namespace = undefined;
    this.#answers.clear();
  }
}

/** Returns the command that runs another one in a user namespace, with all rights in it. */
export function entering(nsenter: string, path: string): string[] {
  return [nsenter, `--user=${path}`, "--preserve-credentials", "--"];
}

async function executable(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  return await access(path, constants.X_OK).then(
    () => path,
    () => undefined,
  );
}

/** Throws for a level of amd64 that nothing here has. The words are BuildKit's. */
function checkLevel(platform: Platform, highest: number): void {
  const { architecture, variant = "v1" } = normalizePlatform(platform);
  const level = Number(/^v(\d+)$/.exec(variant)?.[1] ?? 1);
  if (architecture !== "amd64" || level <= highest) return;
  const supported = levelsUpTo(highest).map(formatPlatform).join(", ");
  throw new VarveError(
    "unsupported",
    `no support for running processes with ${formatPlatform(platform)} platform, supported: ${supported}`,
  );
}

function levelsUpTo(highest: number): Platform[] {
  return Array.from({ length: highest }, (_, index) =>
    normalizePlatform({ ...LINUX, architecture: "amd64", variant: `v${index + 1}` }),
  );
}

/** Returns the platforms of an architecture, as BuildKit lists them. */
function variantsOf(architecture: string, own: Platform): Platform[] {
  if (architecture === "amd64") return levelsUpTo(own.architecture === "amd64" ? amd64Level() : EMULATED_LEVEL);
  if (architecture !== "arm") return [{ ...LINUX, architecture }];
  return ["v7", "v6"].map((variant) => ({ ...LINUX, architecture, variant }));
}

let machine: Emulation | undefined;

/** What the machine that this process runs on can run. */
export function machineEmulation(): Emulation {
  return (machine ??= new Emulation());
}
