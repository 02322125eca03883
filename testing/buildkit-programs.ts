import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";

/** A program of BuildKit: that of the folder that `BUILDKIT_BIN` names, else of the path. */
export function buildkitProgram(name: string): string | undefined {
  const folders = [process.env["BUILDKIT_BIN"] ?? "", ...(process.env["PATH"] ?? "").split(delimiter)];
  return folders
    .filter((folder) => folder !== "")
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path));
}
