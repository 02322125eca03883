/** The image of `images/varve`, made of this checkout. */
import { copyFileSync, cpSync, linkSync, mkdirSync, realpathSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { packPackage, stagePackage } from "../scripts/lib/package.ts";
import { type AptAccess, aptAccess, debianArchive } from "./debian-base.ts";
import { librariesOf } from "./frontends.ts";
import { aptSecret, npmSecrets } from "./npm-access.ts";
import { npmPeer } from "./npm-peer.ts";
import type { Varve } from "./varve.ts";

const DOCKERFILE = fileURLToPath(new URL("../images/varve/Dockerfile", import.meta.url));
const [DEBIAN, NODE] = ["varve.test/debian:1", "varve.test/node:1"];
/** A version for the Node of this checkout. */
const NPM = "11.6.2";

export interface VarveImage {
  readonly tag: string;
  readonly target?: "rootless";
}

/** Builds and pushes images of Varve by the command, on a small Debian and with the Node of this checkout. */
export async function buildVarveImages(varve: Varve, images: readonly VarveImage[]): Promise<void> {
  const context = join(varve.folder, "varve-image");
  const staged = join(varve.folder, "staged");
  mkdirSync(context);
  await stagePackage(staged);
  packPackage(staged, context);
  await buildBases(varve);
  const bases = ["--build-arg", `DEBIAN=${DEBIAN}`, "--build-arg", `NODE=${NODE}`];
  const secrets = [...npmSecrets(varve.folder), ...aptSecret(varve.folder)];
  // Nobody needs a small transfer here.
  const output = "type=image,push=true,compression=uncompressed";
  for (const { tag, target } of images) {
    const chosen = target === undefined ? [] : ["--target", target];
    await varve.build(["-f", DOCKERFILE, "-t", tag, ...chosen, ...bases, ...secrets, "-o", output, context]);
  }
}

/** Images as `debian:…-slim` and `node:…-slim` are, for machines that cannot pull these. */
async function buildBases(varve: Varve): Promise<void> {
  const context = join(varve.folder, "bases");
  mkdirSync(context);
  const npm = npmPeer("npm", NPM);
  if (npm === undefined) throw new Error("npm cannot be had");
  cpSync(join(npm, "node_modules/npm"), join(context, "npm"), { recursive: true });
  const archive = await debianArchive(aptAccess() as AptAccess, ["ca-certificates"]);
  place(archive, join(context, basename(archive)));
  place(process.execPath, join(context, "node"));
  const libatomic = librariesOf(process.execPath).find((path) => path.includes("libatomic"));
  if (libatomic !== undefined) copyFileSync(realpathSync(libatomic), join(context, "libatomic.so.1"));
  const input = `FROM scratch AS debian
ADD ${basename(archive)} /
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
FROM debian AS node
COPY node /usr/local/bin/
COPY libatomic.so.* /usr/local/lib/
COPY npm /usr/local/lib/node_modules/npm
RUN ldconfig && ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm
`;
  const outputs = ["-o", "type=image,compression=uncompressed"];
  await varve.build(["-t", DEBIAN, ...outputs, "--target", "debian", "-f", "-", context], { input });
  await varve.build(["-t", NODE, ...outputs, "-f", "-", context], { input });
}

function place(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch {
    copyFileSync(from, to);
  }
}
