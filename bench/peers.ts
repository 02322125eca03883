import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { findProgram } from "../scripts/lib/system-packages.ts";
import { type Dockerd, startDockerd } from "../testing/dockerd.ts";
import { sh } from "../testing/varve.ts";

/** A builder that Varve is measured against. */
export interface Peer extends AsyncDisposable {
  readonly name: string;
  /** Makes the base image known under `name`, from a rootfs tar. */
  importBase(name: string, tar: string): Promise<void>;
  build(tag: string, context: string, options: { readonly cache: boolean }): Promise<void>;
  /** Gets an image, and unpacks it, from a registry without TLS. */
  pull(reference: string): Promise<void>;
  /** Gets an image, and unpacks it, from an archive of Docker's. */
  load(archive: string): Promise<void>;
  /** Removes an image that was pulled or loaded, if it is there. */
  forget(name: string): Promise<void>;
}

/** buildah with a storage of its own. */
async function buildah(folder: string): Promise<Peer> {
  const root = join(folder, "buildah");
  await mkdir(root, { recursive: true });
  const storage = ["--root", join(root, "root"), "--runroot", join(root, "run"), "--storage-driver", "overlay"];
  return {
    name: "buildah --layers",
    importBase: async (name, tar) => {
      const from = (await sh("buildah", ...storage, "from", "scratch")).trim();
      await sh("buildah", ...storage, "add", from, tar, "/");
      await sh("buildah", ...storage, "commit", from, name);
    },
    build: async (tag, context, { cache }) => {
      // Debian's crun refuses the hybrid layout of control groups; Varve hides it from crun, buildah does not.
      const runtime = findProgram("runc");
      const flags = [
        ...(runtime === undefined ? [] : ["--runtime", runtime]),
        "--layers",
        "--network",
        "host",
        "--pull-never",
        ...(cache ? [] : ["--no-cache"]),
      ];
      await sh("buildah", ...storage, "build", ...flags, "-t", tag, context);
    },
    pull: async (reference) => void (await sh("buildah", ...storage, "pull", "--tls-verify=false", reference)),
    load: async (archive) => void (await sh("buildah", ...storage, "pull", `docker-archive:${archive}`)),
    forget: async (name) => void (await sh("buildah", ...storage, "rmi", "--force", name).catch(() => "")),
    [Symbol.asyncDispose]: async () => {
      await sh("buildah", ...storage, "rm", "--all").catch(() => "");
      await sh("buildah", ...storage, "rmi", "--all", "--force").catch(() => "");
      await rm(root, { recursive: true, force: true });
    },
  };
}

/** The classic builder of a dockerd of its own. */
async function docker(): Promise<Peer> {
  const daemon: Dockerd = await startDockerd();
  return {
    name: "dockerd (classic)",
    importBase: async (name, tar) => void (await daemon.docker(["import", tar, name])),
    build: async (tag, context, { cache }) => {
      const flags = ["--network", "host", ...(cache ? [] : ["--no-cache"])];
      await daemon.docker(["build", "-q", ...flags, "-t", tag, context]);
    },
    pull: async (reference) => void (await daemon.docker(["pull", "-q", reference])),
    load: async (archive) => void (await daemon.docker(["load", "-q", "-i", archive])),
    forget: async (name) => void (await daemon.docker(["rmi", "-f", name]).catch(() => "")),
    [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose](),
  };
}

/** Those of the peers that are installed and start. */
export async function openPeers(folder: string): Promise<Peer[]> {
  const peers: Peer[] = [];
  if (process.getuid?.() !== 0) return peers;
  if (findProgram("buildah") !== undefined) peers.push(await buildah(folder));
  if (findProgram("dockerd") !== undefined && findProgram("docker") !== undefined) peers.push(await docker());
  return peers;
}
