import { type LocalImages, commitImage, findImage, recordOf } from "../src/images/index.ts";
import {
  type ContainerConfig,
  ImageRelations,
  ImageStore,
  loadArchive,
  nameImage,
  writeArchive,
} from "../src/image/index.ts";
import type { LocalImage } from "../src/image/local-image.ts";
import { utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ClassicCache, type ProbeStep } from "../src/classic/index.ts";
import { type Digest, type Platform, hostPlatform } from "../src/core/index.ts";
import { collect } from "../src/io/index.ts";
import { type Hold, type RecordId, SCRATCH } from "../src/record/index.ts";
import { type TemporaryRecords, temporaryRecords } from "./records.ts";

/** A step as a builder would have it: what it does to the run config, its command or comment, the files it writes. */
export interface ClassicStep {
  readonly change: (run: ContainerConfig) => ContainerConfig;
  readonly cmd: readonly string[];
  readonly files?: Readonly<Record<string, string>>;
}

const SHELL = ["/bin/sh", "-c"];
/** What Docker sets where the base sets none. */
export const DEFAULT_ENV = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const same = (run: ContainerConfig): ContainerConfig => run;

const comment = (text: string, change: ClassicStep["change"]): ClassicStep => ({
  change,
  cmd: [...SHELL, "#(nop) ", text],
});

/** `ENV`, its text as Docker writes it: values unquoted. */
export function env(vars: Readonly<Record<string, string>>): ClassicStep {
  const pairs = Object.entries(vars).map(([key, value]) => `${key}=${value}`);
  return comment(`ENV ${pairs.join(" ")}`, (run) => ({
    ...run,
    Env: [...(run.Env ?? []).filter((each) => !((each.split("=")[0] as string) in vars)), ...pairs],
  }));
}

export function label(key: string, value: string): ClassicStep {
  return comment(`LABEL ${key}=${value}`, (run) => ({
    ...run,
    Labels: new Map([...(run.Labels ?? []), [key, value]]),
  }));
}

/** A step whose text does not tell what it does. */
export function set(text: string, fields: ContainerConfig): ClassicStep {
  return comment(text, (run) => ({ ...run, ...fields }));
}

export function run(command: string | readonly string[], files: Readonly<Record<string, string>> = {}): ClassicStep {
  return { change: same, cmd: typeof command === "string" ? [...SHELL, command] : command, files };
}

export function copy(name: string, text: string): ClassicStep {
  return { change: same, cmd: [...SHELL, `#(nop) COPY file:${text} in /${name} `], files: { [name]: text } };
}

export interface ClassicBuildOptions {
  readonly base?: LocalImage | undefined;
  readonly cacheFrom?: readonly string[];
  readonly noCache?: boolean;
  readonly platform?: Platform;
  /** ns since 1970 of the first commit; each further one is a second later. */
  readonly created?: bigint;
  /** False: the cache is not told what comes next. */
  readonly lookAhead?: boolean;
}

export interface ClassicBuilt {
  readonly image: LocalImage;
  /** For each step how it was answered, or "miss". */
  readonly answers: readonly string[];
  readonly ids: readonly Digest[];
}

/** A root with a builder of the plainest kind, which asks the cache and commits what it does not know. */
export class ClassicFixture implements AsyncDisposable {
  readonly store: LocalImages;
  readonly root: string;
  readonly hold: Hold;
  readonly relations: ImageRelations;
  readonly #records: TemporaryRecords;

  private constructor(records: TemporaryRecords) {
    const { state, content, root, hold } = records;
    this.#records = records;
    this.root = root;
    this.hold = hold;
    this.store = { state, content, records: records.records, images: new ImageStore(state) };
    this.relations = new ImageRelations(state);
  }

  static async open(root?: string): Promise<ClassicFixture> {
    return new ClassicFixture(await temporaryRecords(root === undefined ? {} : { root }));
  }

  async build(steps: readonly ClassicStep[], options: ClassicBuildOptions = {}): Promise<ClassicBuilt> {
    await using lease = await this.store.content.lease();
    const hold: Hold = { lease };
    const { base, platform = hostPlatform(), lookAhead = true, cacheFrom = [], noCache = false } = options;
    const cache = await ClassicCache.open({ base, platform, cacheFrom, noCache }, this.store, hold);
    const probes = probesOf(steps, base, platform);
    const [answers, ids]: [string[], Digest[]] = [[], []];
    let current = base;
    for (const [index, step] of steps.entries()) {
      const probe = probes[index] as ProbeStep;
      const answer = await cache.probe(probe, lookAhead ? (n) => Promise.resolve(probes[index + n]) : undefined);
      current =
        answer.kind === "hit" ? answer.image : await this.commit(step, probe, current, { hold, index, ...options });
      answers.push(answer.kind === "hit" ? answer.how : "miss");
      ids.push(current.id);
    }
    if (current === undefined) throw new Error("nothing was built");
    return { image: current, answers, ids };
  }

  async commit(
    step: ClassicStep,
    probe: ProbeStep,
    parent: LocalImage | undefined,
    { hold, index, created }: { readonly hold: Hold; readonly index: number; readonly created?: bigint },
  ): Promise<LocalImage> {
    const record = step.files === undefined ? undefined : await this.layer(step.files, parent, hold);
    return await commitImage(
      {
        parent,
        record,
        config: probe.runConfig,
        containerConfig: probe.config,
        createdBy: step.cmd.join(" "),
        platform: probe.platform,
        ...(created !== undefined && { created: created + BigInt(index) * 1_000_000_000n }),
      },
      this.store,
      hold,
    );
  }

  async layer(files: Readonly<Record<string, string>>, parent: LocalImage | undefined, hold: Hold): Promise<RecordId> {
    const { records } = this.store;
    const below = parent === undefined ? SCRATCH : recordOf(parent, records, hold.lease);
    await using layer = await records.begin(below, {}, hold);
    for (const [name, text] of Object.entries(files)) {
      await writeFile(join(layer.path, name), text);
      await utimes(join(layer.path, name), 1, 1);
    }
    return (await layer.commit()).id;
  }

  async tag(name: string, image: LocalImage): Promise<void> {
    await nameImage(this.store, name, image.manifest);
  }

  async image(name: string): Promise<LocalImage> {
    const found = await findImage(this.store, name);
    if (found === undefined) throw new Error(`no image ${name}`);
    return found.image;
  }

  /** A tagged image that knows nothing of how it was made, as a pulled one. */
  async base(name = "base", platform: Platform = hostPlatform()): Promise<LocalImage> {
    const { image } = await this.build([copy("base", "base"), env({ PATH: "/bin" })], { platform, created: 1n });
    const archive = await this.save(image, name);
    for (const { id } of this.relations.list()) this.relations.remove(id);
    await this.load(archive);
    return await this.image(name);
  }

  async save(image: LocalImage, name: string): Promise<Buffer> {
    const images = [{ descriptor: image.manifest, names: [name] }];
    return await collect(writeArchive(this.store.content, { images, format: "docker", created: 0 }), 1e9, {
      what: "an archive",
    });
  }

  async load(archive: Uint8Array): Promise<void> {
    await using lease = await this.store.content.lease();
    const loaded = await loadArchive(this.store.content, once(archive), { lease });
    for (const { names, descriptor } of loaded) for (const name of names) await nameImage(this.store, name, descriptor);
  }

  async collect(): Promise<void> {
    await this.store.content.collect({ snapshots: this.#records.snapshotter });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#records[Symbol.asyncDispose]();
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes);
}

/** What a builder would ask for each step of a stage. */
export function probesOf(steps: readonly ClassicStep[], base: LocalImage | undefined, platform: Platform): ProbeStep[] {
  let run: ContainerConfig = base?.config.config ?? { Env: [DEFAULT_ENV] };
  return steps.map(({ change, cmd }) => {
    run = change(run);
    return { runConfig: run, config: { ...run, Cmd: cmd }, platform };
  });
}
