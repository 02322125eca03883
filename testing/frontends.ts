/** Images of front ends that speak BuildKit's protocol: Node, its libraries, and programs of `testing/frontends/`. */
import { execFileSync } from "node:child_process";
import { copyFileSync, cpSync, linkSync, mkdirSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { errnoOf } from "../src/core/index.ts";
import { type Store, build } from "../src/engine/index.ts";
import { temporaryDirectory } from "../src/io/index.ts";
import type { Varve } from "./varve.ts";

const PROGRAMS = join(import.meta.dirname, "frontends");
const NODE = join(import.meta.dirname, "../node_modules/node/bin/node");

/** Fills an empty directory with the context of the images: targets `recipe` and `hostile` of its Dockerfile. */
export function frontendContext(directory: string): void {
  cpSync(PROGRAMS, directory, { recursive: true });
  place(NODE, join(directory, "node/bin/node"));
  for (const path of librariesOf(NODE)) place(realpathSync(path), join(directory, "node", path));
}

/** Builds the image of a front end into a store. */
export async function buildFrontend(store: Store, target: "recipe" | "hostile", tag: string): Promise<void> {
  await using directory = await temporaryDirectory("varve-frontend-", store.root);
  frontendContext(directory.path);
  // Compressing Node takes seconds, and nobody reads the compressed layer.
  const outputs = [{ type: "image", attrs: { compression: "uncompressed" } }] as const;
  await build({
    store,
    context: { kind: "directory", path: directory.path, lasting: false },
    target,
    tags: [tag],
    outputs,
  });
}

/** Builds the image of a front end with the command. */
export async function buildFrontendWith(
  varve: Varve,
  target: "recipe" | "hostile",
  tag: string,
  { push = false }: { readonly push?: boolean } = {},
): Promise<void> {
  await using directory = await temporaryDirectory("varve-frontend-", varve.folder);
  frontendContext(directory.path);
  const output = `type=image,compression=uncompressed${push ? ",push=true" : ""}`;
  await varve.build(["--target", target, "-t", tag, "-o", output, directory.path]);
}

/** Paths of the shared libraries of a program, and of its loader. */
export function librariesOf(program: string): string[] {
  const listed = execFileSync("ldd", [program], { encoding: "utf8" });
  return [...listed.matchAll(/(?:=> )?(\/\S+) \(0x/g)].map(([, path = ""]) => path);
}

/** Links a file to another place, or copies it if that is on another filesystem. */
function place(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  try {
    linkSync(from, to);
  } catch (error) {
    if (errnoOf(error) !== "EXDEV") throw error;
    copyFileSync(from, to);
  }
}
