import { spawn } from "node:child_process";
import { rm, symlink } from "node:fs/promises";
import { join, resolve } from "node:path";
import { stagePackage } from "../../scripts/lib/package.ts";
import { type BuildOutput, type BuildRequest, type CompleteBuilder, completeBuilder, succeed } from "./builder.ts";

/** A command line of the package as users install it. Returns the program and its first arguments. */
export type VarveCommand = readonly [program: string, ...args: string[]];

/** Packs Varve, because a checkout starts more slowly. */
export async function packedVarve(folder: string): Promise<VarveCommand> {
  const staged = join(folder, "package");
  await stagePackage(staged);
  await symlink(resolve("node_modules"), join(staged, "node_modules"));
  return [process.execPath, join(staged, "bin/varve.js")];
}

export interface VarveBuilderOptions {
  /** The process that serves the root, if there is one. */
  readonly server?: number | undefined;
  /** More variables for the command. */
  readonly env?: NodeJS.ProcessEnv | undefined;
}

export function varveBuilder(
  [program, ...first]: VarveCommand,
  root: string,
  { server, env }: VarveBuilderOptions = {},
): CompleteBuilder {
  const start = (args: readonly string[]): ReturnType<typeof spawn> =>
    spawn(program, [...first, ...args], { env: { ...process.env, VARVE_ROOT: root, NO_COLOR: "1", ...env } });
  return completeBuilder({
    name: server === undefined ? "varve" : "varve (server)",
    daemon: server,
    start: (request) => start(["build", "--progress=plain", ...flagsOf(request), request.context]),
    empty: () =>
      server === undefined
        ? rm(root, { recursive: true, force: true })
        : succeed("varve prune", start(["prune", "--all", "--force"])),
    small: { version: () => start(["version"]), list: () => start(["images"]) },
  });
}

function flagsOf({ cache = true, output = { kind: "none" }, cacheFrom, cacheTo }: BuildRequest): string[] {
  return [
    ...(cache ? [] : ["--no-cache"]),
    ...(cacheFrom === undefined ? [] : ["--cache-from", `type=registry,ref=${cacheFrom}`]),
    ...(cacheTo === undefined ? [] : ["--cache-to", `type=registry,ref=${cacheTo},mode=max`]),
    ...outputOf(output),
  ];
}

function outputOf(output: BuildOutput): string[] {
  switch (output.kind) {
    case "none":
      return ["-o", "type=cacheonly"];
    case "oci":
      return ["-o", `type=oci,dest=${output.dest},compression=${output.compression ?? "gzip"}`];
    case "store":
      return ["-o", `type=image,name=${output.name},compression=${output.compression}`];
    case "push":
      return ["-t", output.name, "--push", "--provenance=false"];
  }
}
