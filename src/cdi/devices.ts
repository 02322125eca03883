import { readFile, readdir, stat } from "node:fs/promises";
import { extname, join } from "node:path";
import { VarveError, errnoOf, messageOf, parseGoBool } from "../core/index.ts";
import { splitDevice } from "./names.ts";
import { MAX_SPEC, readSpec } from "./read-spec.ts";
import type { CdiSpec, CdiSpecDevice, ContainerEdits } from "./types.ts";

/** Where BuildKit looks for devices. */
const DEFAULT_DIRECTORIES: readonly string[] = ["/etc/cdi", "/var/run/cdi", "/etc/buildkit/cdi"];
/** Maximum number of files of one directory that are read. */
const MAX_FILES = 1000;
const CLASS = "org.mobyproject.buildkit.device.class";
const AUTO_ALLOW = "org.mobyproject.buildkit.device.autoallow";

/** Which devices of the machine steps may be given. */
export interface DeviceSettings {
  /** True: none. Default: false. */
  readonly disabled?: boolean | undefined;
  /** Directories with specifications, `*.json` and `*.yaml`. A device of a later one replaces one of an earlier. Default: BuildKit's three. */
  readonly directories?: readonly string[] | undefined;
  /** Devices (`vendor/class=name`) and kinds (`vendor/class`) that every build may use. */
  readonly autoAllowed?: readonly string[] | undefined;
}

/** A device of the machine. */
export interface RegisteredDevice {
  /** `vendor/class=name`. */
  readonly name: string;
  /** Those of its file, and its own. */
  readonly annotations: ReadonlyMap<string, string>;
  /** True if builds need no entitlement for it. */
  readonly autoAllow: boolean;
}

interface Known extends RegisteredDevice {
  readonly kind: string;
  readonly spec: CdiSpec;
  readonly device: CdiSpecDevice;
  readonly path: string;
  readonly priority: number;
}

/** The devices of the machine at one moment: Container Device Interface, as BuildKit reads it. */
export class Devices {
  /** Sorted by name. */
  readonly #devices: ReadonlyMap<string, Known>;
  /** Files that cannot be used, and devices that several files of one directory have: why they are left out. */
  readonly problems: readonly string[];

  private constructor(devices: ReadonlyMap<string, Known>, problems: readonly string[]) {
    this.#devices = devices;
    this.problems = problems;
  }

  /** Reads the specifications of the machine. A file that cannot be used is a problem, and no error. */
  static async load({
    disabled,
    directories = DEFAULT_DIRECTORIES,
    autoAllowed = [],
  }: DeviceSettings): Promise<Devices> {
    if (disabled === true) return new Devices(new Map(), []);
    const problems: string[] = [];
    const allowed = new Set(autoAllowed);
    const found = new Map<string, Known>();
    const conflicts = new Set<string>();
    for (const [priority, directory] of directories.entries()) {
      for (const path of await specFiles(directory, problems)) {
        for (const device of await devicesIn(path, priority, allowed, problems)) {
          const other = found.get(device.name);
          if (other?.priority === priority) {
            problems.push(`device ${device.name} is in ${other.path} and in ${path}`);
            conflicts.add(device.name);
          } else {
            found.set(device.name, device);
            conflicts.delete(device.name);
          }
        }
      }
    }
    const kept = [...found].filter(([name]) => !conflicts.has(name));
    return new Devices(new Map(kept.toSorted(([a], [b]) => (a < b ? -1 : 1))), problems);
  }

  list(): readonly RegisteredDevice[] {
    return [...this.#devices.values()].map(({ name, annotations, autoAllow }) => ({ name, annotations, autoAllow }));
  }

  /**
   * Returns the devices that a step asks for: `vendor/class=name`; the first one of `vendor/class`; all of `vendor/class=*`; or else
   * those whose annotation has the text as their class. None if there are none.
   */
  find(asked: string): readonly RegisteredDevice[] {
    const named = this.#named(asked);
    if (named.length > 0) return named;
    return [...this.#devices.values()].filter(({ annotations }) => annotations.get(CLASS) === asked);
  }

  #named(asked: string): Known[] {
    const { kind, name, hasVendor } = splitDevice(asked);
    if (!hasVendor) return [];
    const ofKind = [...this.#devices.values()].filter((device) => device.kind === kind);
    if (name === "*") return ofKind;
    return name === "" ? ofKind.slice(0, 1) : ofKind.filter((device) => device.name === asked);
  }

  /**
   * Returns what a container gets for what a step asks for. Of two devices of one file, the edits of the file are made once.
   *
   * @throws {VarveError} `not-found`, with BuildKit's text, for a device that is not there and not optional.
   */
  edits(asked: readonly { readonly name: string; readonly optional: boolean }[]): ContainerEdits {
    const names = new Set(asked.flatMap((device) => this.require(device)).map(({ name }) => name));
    const specs = new Set<CdiSpec>();
    const all = [...names].flatMap((name): ContainerEdits[] => {
      const known = this.#devices.get(name);
      if (known === undefined) return [];
      const isFirst = !specs.has(known.spec);
      specs.add(known.spec);
      return isFirst ? [known.spec.edits, known.device.edits] : [known.device.edits];
    });
    return {
      env: all.flatMap(({ env }) => env),
      deviceNodes: all.flatMap(({ deviceNodes }) => deviceNodes),
      mounts: all.flatMap(({ mounts }) => mounts),
      hooks: all.flatMap(({ hooks }) => hooks),
      netDevices: all.flatMap(({ netDevices }) => netDevices),
      additionalGids: all.flatMap(({ additionalGids }) => additionalGids),
      intelRdt: all.findLast(({ intelRdt }) => intelRdt !== undefined)?.intelRdt,
    };
  }

  /** As `find`. Throws as `edits`. */
  require({ name, optional }: { readonly name: string; readonly optional: boolean }): readonly RegisteredDevice[] {
    const found = this.find(name);
    if (found.length === 0 && !optional)
      throw new VarveError("not-found", `required device ${JSON.stringify(name)} is not registered`, {
        ...(this.problems.length > 0 && { hint: `Specifications that cannot be used: ${this.problems.join("; ")}` }),
      });
    return found;
  }
}

/** Returns the specifications in a directory, in order of their names. A directory that does not exist has none. */
async function specFiles(directory: string, problems: string[]): Promise<string[]> {
  try {
    const names = (await readdir(directory)).filter((name) => [".json", ".yaml"].includes(extname(name)));
    if (names.length > MAX_FILES)
      problems.push(`${directory} has more than ${MAX_FILES} files: the others are not read`);
    return names
      .toSorted()
      .slice(0, MAX_FILES)
      .map((name) => join(directory, name));
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") problems.push(`${directory} cannot be read: ${errnoOf(error) ?? String(error)}`);
    return [];
  }
}

async function devicesIn(
  path: string,
  priority: number,
  allowed: ReadonlySet<string>,
  problems: string[],
): Promise<Known[]> {
  try {
    const status = await stat(path);
    if (!status.isFile()) return [];
    if (status.size > MAX_SPEC) throw new VarveError("limit-exceeded", `${path} is larger than ${MAX_SPEC} bytes`);
    const spec = await readSpec(path, await readFile(path));
    return spec.devices.map((device): Known => {
      const name = `${spec.kind}=${device.name}`;
      const annotations = new Map([...spec.annotations, ...device.annotations]);
      const autoAllow =
        allowed.has(name) || allowed.has(spec.kind) || parseGoBool(annotations.get(AUTO_ALLOW) ?? "") === true;
      return { name, kind: spec.kind, annotations, autoAllow, spec, device, path, priority };
    });
  } catch (error) {
    // A file that was replaced meanwhile is found at the next look.
    if (errnoOf(error) !== "ENOENT") problems.push(messageOf(error));
    return [];
  }
}
