import { join } from "node:path";
import type { Varve } from "../../testing/varve.ts";
import type { Peer } from "../peers.ts";
import type { Builder } from "./builder.ts";

/** A peer that only builds: it gets the base image from an archive. */
export async function peerBuilder(peer: Peer, base: string, varve: Varve): Promise<Builder> {
  const tar = join(varve.folder, "side-by-side-base.tar");
  await varve.build([
    "-o",
    `type=tar,dest=${tar}`,
    await varve.files("side-by-side-base", { Dockerfile: `FROM ${base}\n` }),
  ]);
  await peer.importBase(base, tar);
  let builds = 0;
  return {
    name: peer.name,
    build: ({ context, cache = true }) => peer.build(`bench/side-${(builds += 1)}`, context, { cache }),
  };
}
