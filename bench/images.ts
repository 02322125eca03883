/** From a registry, or an archive, to a root file system on disk. */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { findProgram } from "../scripts/lib/system-packages.ts";
import { registryMissing, startRegistry } from "../testing/registry-server.ts";
import { type Varve, sh } from "../testing/varve.ts";
import { fillWithLarge, fillWithSmall } from "./layer-samples.ts";
import type { Contender, Scenario } from "./measure.ts";
import type { Peer } from "./peers.ts";

const ROUNDS = 3;
const LARGE_LAYERS = 3;
const FILES_PER_LAYER = 2;

/** An image where everybody can get it. */
export interface BenchImage extends AsyncDisposable {
  /** In a registry on this machine; undefined if there can be none. */
  readonly reference: string | undefined;
  readonly name: string;
  /** In an archive of Docker's. */
  readonly archive: string;
}

/** Five layers: three of 128 MiB of text, one of 10,000 small files, one of busybox. */
export async function openImage(varve: Varve, base: string): Promise<BenchImage> {
  await using stack = new AsyncDisposableStack();
  const context = await varve.files("image", { ".keep": "" });
  const layers = Array.from({ length: LARGE_LAYERS }, (_, at) => `large-${at}`);
  for (const layer of layers) {
    await mkdir(join(context, layer));
    await fillWithLarge(join(context, layer), FILES_PER_LAYER);
  }
  await mkdir(join(context, "small"));
  await fillWithSmall(join(context, "small"));
  const copies = [...layers, "small"].map((layer) => `COPY ${layer} /${layer}\n`).join("");
  await varve.files("image", { Dockerfile: `FROM ${base}\n${copies}CMD ["true"]\n` });
  const registry = registryMissing() === undefined ? stack.use(await startRegistry()) : undefined;
  const name = `${registry?.host ?? "bench.test"}/bench/image:1`;
  const archive = join(varve.folder, "image.tar");
  const push = registry === undefined ? [] : ["--push"];
  await varve.build(["-t", name, ...push, "-o", `type=docker,dest=${archive}`, context]);
  const owned = stack.move();
  return {
    name,
    reference: registry === undefined ? undefined : name,
    archive,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

export function imageScenarios(image: BenchImage, varve: Varve, peers: readonly Peer[]): Scenario[] {
  const { reference } = image;
  const loads = { name: "image of 450 MiB, from an archive to a root file system", rounds: ROUNDS };
  const pulls = { name: "image of 450 MiB, from a registry to a root file system", rounds: ROUNDS };
  const loaded = [
    own(varve, image.name, ["load", "-i", image.archive]),
    ...peers.map((peer) => peerContender(peer, image.name, () => peer.load(image.archive))),
    ...skopeoAndUmoci(varve.folder, `docker-archive:${image.archive}`),
  ];
  if (reference === undefined) return [{ ...loads, contenders: loaded }];
  const pulled = [
    own(varve, image.name, ["pull", reference]),
    ...peers.map((peer) => peerContender(peer, image.name, () => peer.pull(reference))),
    ...skopeoAndUmoci(varve.folder, `docker://${reference}`),
  ];
  return [
    { ...pulls, contenders: pulled },
    { ...loads, contenders: loaded },
  ];
}

/** Varve unpacks what something is done with: the first step of a build, which is counted. */
function own(varve: Varve, name: string, get: readonly string[]): Contender {
  const env = { VARVE_ROOT: join(varve.folder, "image-root") };
  const step = varve.files("image-step", { Dockerfile: `FROM ${name}\nRUN ["/bin/true"]\n` });
  return {
    name: "varve",
    prepare: () => rm(env.VARVE_ROOT, { recursive: true, force: true }),
    run: async () => {
      const { code, stderr } = await varve.run(get, { env });
      if (code !== 0) throw new Error(`varve ${get.join(" ")} exited with ${code}:\n${stderr}`);
      await varve.build([await step], { env });
    },
  };
}

function peerContender(peer: Peer, name: string, run: () => Promise<void>): Contender {
  return { name: peer.name, prepare: () => peer.forget(name), run };
}

function skopeoAndUmoci(folder: string, source: string): Contender[] {
  if (findProgram("skopeo") === undefined || findProgram("umoci") === undefined) return [];
  const out = join(folder, "image-bundle");
  const layout = join(out, "layout");
  return [
    {
      name: "skopeo, umoci unpack",
      prepare: async () => {
        await rm(out, { recursive: true, force: true });
        await mkdir(out);
      },
      run: async () => {
        await sh("skopeo", "copy", "--src-tls-verify=false", source, `oci:${layout}:1`);
        await sh("umoci", "unpack", "--image", `${layout}:1`, join(out, "bundle"));
      },
    },
  ];
}
